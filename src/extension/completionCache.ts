import { continuationOf, type DocumentState, remainderOf } from "./documentState.ts";

/** What was found for a state of a document. */
export interface CachedCompletion {
  /** To insert at the cursor in place of `closed`, best first; empty: the model had nothing to add here. */
  readonly texts: readonly string[];
  readonly closed: string;
  /** How many were asked for. */
  readonly alternatives: number;
}

interface Entry {
  readonly state: DocumentState;
  readonly texts: readonly string[];
  readonly alternatives: number;
}

const mostEntries = 250;
/** How far back a state is looked for from which the user typed on, in characters. */
const longestTyped = 128;

/**
 * Finished completions by the text before and after the cursor, compared exactly. A completion also serves every state that
 * is reached by typing into it, line breaks included. The least recently used go first.
 */
export class CompletionCache {
  /** Least recently used first. */
  private entries: Entry[] = [];

  get size(): number {
    return this.entries.length;
  }

  /** The completion of the nearest state from which the user typed to here. */
  find(state: DocumentState): CachedCompletion | undefined {
    let best: { entry: Entry; typed: number; texts: readonly string[]; closed: string } | undefined;
    for (const entry of this.entries) {
      const typed = state.prefix.length - entry.state.prefix.length;
      if (best !== undefined && typed >= best.typed) continue;
      const continuation = continuationOf(entry.state, state, longestTyped);
      if (continuation === undefined) continue;
      const texts = entry.texts.flatMap((text) => remainderOf(text, continuation) ?? []);
      const nothingToAdd = entry.texts.length === 0 && typed === 0 && continuation.closed === "";
      if (texts.length > 0 || nothingToAdd) best = { entry, typed, texts, closed: continuation.closed };
    }
    if (best === undefined) return undefined;
    const { entry, texts, closed } = best;
    this.entries.splice(this.entries.indexOf(entry), 1);
    this.entries.push(entry);
    return { texts, closed, alternatives: entry.alternatives };
  }

  /** Takes the place of what was known for exactly this state. */
  put(state: DocumentState, texts: readonly string[], alternatives = 1): void {
    this.entries = this.entries.filter((entry) => !isSameState(entry.state, state));
    this.entries.push({ state, texts: texts.filter((text) => text.trim() !== ""), alternatives });
    if (this.entries.length > mostEntries) this.entries.shift();
  }

  clear(): void {
    this.entries = [];
  }
}

function isSameState(a: DocumentState, b: DocumentState): boolean {
  const continuation = continuationOf(a, b, 0);
  return continuation !== undefined && continuation.closed === "";
}
