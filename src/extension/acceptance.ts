import { similarity } from "../engine/completion/similarity.ts";
import type { Clock } from "./clock.ts";
import type { DocumentState } from "./documentState.ts";

/** A suggestion as the editor got it. */
export interface OfferedItem {
  /** The state of the document for which it was made, before the text and without what the text replaces. */
  readonly state: DocumentState;
  readonly text: string;
  /** Where the text would stand. */
  readonly line: number;
  readonly character: number;
}

/** One change to a document, as the editor reports it. */
export interface DocumentChange {
  readonly uri: string;
  /** In UTF-16 code units from the document's beginning. */
  readonly offset: number;
  readonly removed: number;
  readonly text: string;
  readonly line: number;
  readonly character: number;
  /** It undid or redid an earlier change. */
  readonly undoing: boolean;
}

/** Counts since the window opened or since they were reset; they stay on this machine. */
export interface AcceptanceCounts {
  /** Returned to the editor uncancelled; a suggestion that is typed into or grows counts once. */
  readonly offered: number;
  readonly accepted: number;
  /** Taken word by word or line by line. */
  readonly partlyAccepted: number;
  /** Accepted wholly and, half a minute later, still there but for small changes. */
  readonly kept: number;
  /** Accepted wholly half a minute ago or earlier: what `kept` is a part of. */
  readonly judged: number;
}

const keptAfterMs = 30_000;
/** A text of which at least this part is unchanged counts as kept. */
const leastKept = 0.75;
/** Comparing takes quadratic time; longer texts are compared by their beginnings. */
const longestCompared = 2000;
/** Items the editor may still accept. */
const mostItems = 64;

interface Accepted {
  readonly uri: string;
  readonly original: string;
  offset: number;
  text: string;
}

/** Counts what becomes of suggestions: an accepted one reports itself, a partly accepted one is seen in the edits. */
export class Acceptance {
  private readonly items = new Map<number, OfferedItem>();
  private readonly accepted = new Set<Accepted>();
  private latest: OfferedItem | undefined;
  private latestIsPartlyAccepted = false;
  private nextId = 1;
  private figures = noCounts();

  constructor(
    private readonly clock: Clock,
    /** Called after the counts have changed. */
    private readonly onCounts: (counts: AcceptanceCounts) => void = () => {},
  ) {}

  get counts(): AcceptanceCounts {
    return { ...this.figures };
  }

  reset(): void {
    this.figures = noCounts();
    this.accepted.clear();
    this.onCounts(this.counts);
  }

  /** @returns ids by which the items report that they were accepted; only the first item is what the user sees at once. */
  offered(items: readonly OfferedItem[]): number[] {
    const [first] = items;
    if (first === undefined) return [];
    if (this.latest === undefined || !isSameSuggestion(this.latest, first)) {
      this.latestIsPartlyAccepted = false;
      this.count("offered");
    }
    this.latest = first;
    return items.map((item) => {
      const id = this.nextId++;
      this.items.set(id, item);
      if (this.items.size > mostItems) this.items.delete(this.items.keys().next().value!);
      return id;
    });
  }

  itemOf(id: number): OfferedItem | undefined {
    return this.items.get(id);
  }

  /** The editor inserted an item; its text begins at `offset` of the document. */
  acceptedAt(id: number, offset: number): void {
    const item = this.items.get(id);
    if (item === undefined) return;
    this.items.delete(id);
    this.latest = undefined;
    this.count("accepted");
    const accepted = { uri: item.state.uri, original: item.text, text: item.text, offset };
    this.accepted.add(accepted);
    this.clock.after(keptAfterMs, () => this.judge(accepted));
  }

  edited(change: DocumentChange): void {
    for (const accepted of this.accepted) if (accepted.uri === change.uri) follow(accepted, change);
    this.seePartialAcceptance(change);
  }

  private judge(accepted: Accepted): void {
    // A reset in between forgot it.
    if (!this.accepted.delete(accepted)) return;
    this.count("judged");
    const [before, after] = [accepted.original, accepted.text].map((text) => text.slice(0, longestCompared));
    if (similarity(before!, after!) >= leastKept) this.count("kept");
  }

  private count(figure: keyof AcceptanceCounts): void {
    this.figures[figure] += 1;
    this.onCounts(this.counts);
  }

  private seePartialAcceptance(change: DocumentChange): void {
    const { latest } = this;
    if (latest === undefined || latest.state.uri !== change.uri) return;
    const atCursor = change.line === latest.line && change.character === latest.character && change.removed === 0;
    const isPart = change.text.length < latest.text.length && latest.text.startsWith(change.text);
    if (!atCursor || change.undoing || !isPart || isTyped(change.text)) return;
    if (!this.latestIsPartlyAccepted) this.count("partlyAccepted");
    this.latestIsPartlyAccepted = true;
  }
}

function noCounts() {
  return { offered: 0, accepted: 0, partlyAccepted: 0, kept: 0, judged: 0 };
}

/** One character, a pair that the editor closed, or a line break with its indentation. */
function isTyped(text: string): boolean {
  return [...text].length < 2 || /^(?:\(\)|\[\]|\{\}|<>|""|''|``)$/.test(text) || text.trim() === "";
}

/** Whether both are one suggestion at different times: typed into, or grown. */
function isSameSuggestion(a: OfferedItem, b: OfferedItem): boolean {
  if (a.state.uri !== b.state.uri || a.state.start !== b.state.start) return false;
  const first = a.state.prefix + a.text;
  const second = b.state.prefix + b.text;
  return first.startsWith(second) || second.startsWith(first);
}

/** Carries an edit over to an accepted text, without looking at the document. */
function follow(accepted: Accepted, { offset, removed, text }: DocumentChange): void {
  const from = offset - accepted.offset;
  const to = from + removed;
  const { length } = accepted.text;
  if (to <= 0) {
    accepted.offset += text.length - removed;
  } else if (from < length) {
    const inserted = from < 0 ? "" : text;
    accepted.text = accepted.text.slice(0, Math.max(0, from)) + inserted + accepted.text.slice(Math.min(length, to));
    if (from < 0) accepted.offset = offset + text.length;
  }
}
