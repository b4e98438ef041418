import { CancellationTokenSource } from "vscode-jsonrpc/node";
import type { Snippet, WarmParams } from "../protocol/messages.ts";
import type { EngineAccess } from "./engine.ts";
import { jaccard } from "./jaccard.ts";
import type { Chunk, SnippetRing } from "./snippetRing.ts";

/** A place in a document for which snippets are chosen. */
export interface SnippetPlace {
  readonly uri: string;
  /** Zero-based line of the cursor. */
  readonly line: number;
  /** False where the user wants nothing of other files. */
  readonly wantsSnippets: boolean;
  /** The text around the cursor, as the engine will get it. */
  read(): Omit<WarmParams, "snippets">;
}

const mostSnippets = 4;
/** Below this a chunk has nothing to do with the place. */
const leastSimilarity = 0.05;
/** Lines of the same document nearer than this are in the prompt anyway. */
const linesInPrompt = 256;
/** The cursor is in another region once it is this many lines away. */
const linesPerRegion = 64;
/** Text on either side of the cursor that chunks are compared with, in characters. */
const charactersCompared = 2000;

/**
 * Which chunks go along with requests. The choice stays as it is while the user types, since the engine would have to read
 * everything behind a changed snippet anew; another one is warmed before it is used.
 */
export class SnippetChoice {
  private chosen: readonly Chunk[] = [];
  private uri: string | undefined;
  private line = 0;
  private version = 0;
  private warming: CancellationTokenSource | undefined;

  constructor(
    private readonly ring: SnippetRing,
    private readonly engine: Pick<EngineAccess, "warm">,
  ) {}

  /** Snippets for a request, best first. In another document than before they are chosen at once. */
  current(place: SnippetPlace): readonly Snippet[] {
    this.interrupt();
    if (place.uri !== this.uri) this.freeze(place, this.rank(place));
    return this.chosen.map(asSnippet);
  }

  /** Whether a chunk goes along with requests, though the ring may have lost it. */
  has(isMeant: (chunk: Chunk) => boolean): boolean {
    return this.chosen.some(isMeant);
  }

  /** Forgets the choice: the user or the ignore rules no longer allow it. */
  forget(): void {
    this.interrupt();
    this.chosen = [];
    this.uri = undefined;
  }

  /** A document was closed: another one may get its name. */
  closed(uri: string): void {
    if (uri === this.uri) this.forget();
  }

  /** Chooses anew where document, region or ring have changed; resolves when the engine has read the choice. */
  async refresh(place: SnippetPlace): Promise<void> {
    const isOtherDocument = place.uri !== this.uri;
    const isOtherRegion = Math.abs(place.line - this.line) > linesPerRegion;
    if (!isOtherDocument && !isOtherRegion && this.version === this.ring.version) return;
    const { version } = this.ring;
    const ranked = this.rank(place);
    if (isOtherDocument) this.freeze(place, ranked);
    else if (isSameChoice(ranked, this.chosen)) return this.freeze(place, this.chosen, version);
    this.interrupt();
    const warming = new CancellationTokenSource();
    this.warming = warming;
    try {
      await this.engine.warm({ ...place.read(), snippets: ranked.map(asSnippet) }, warming.token);
    } catch {
      // Nothing is lost: the first request reads what was not warmed.
    }
    if (warming.token.isCancellationRequested) return;
    this.warming = undefined;
    this.freeze(place, ranked, version);
  }

  /** Stops warming: the user types. */
  interrupt(): void {
    this.warming?.cancel();
    this.warming = undefined;
  }

  private freeze(place: SnippetPlace, chunks: readonly Chunk[], version = this.ring.version): void {
    this.chosen = chunks;
    this.uri = place.uri;
    this.line = place.line;
    this.version = version;
  }

  private rank(place: SnippetPlace): readonly Chunk[] {
    const isElsewhere = ({ uri, firstLine }: Chunk) =>
      uri !== place.uri || Math.abs(firstLine - place.line) > linesInPrompt;
    const candidates = place.wantsSnippets ? this.ring.all.filter(isElsewhere) : [];
    if (candidates.length === 0) return [];
    const { prefix, suffix } = place.read();
    const names = namesIn(prefix.slice(-charactersCompared) + suffix.slice(0, charactersCompared));
    return candidates
      .map((chunk) => ({ chunk, similarity: jaccard(namesIn(chunk.lines.join("\n")), names) }))
      .filter(({ similarity }) => similarity >= leastSimilarity)
      .sort((a, b) => b.similarity - a.similarity)
      .slice(0, mostSnippets)
      .map(({ chunk }) => chunk);
  }
}

/** Names and words of at least three letters, by which places are compared. */
function namesIn(text: string): Set<string> {
  return new Set(text.match(/[\p{L}_$][\p{L}\p{N}_$]{2,}/gu));
}

function asSnippet({ path, lines }: Chunk): Snippet {
  return { path, text: lines.join("\n") };
}

function isSameChoice(a: readonly Chunk[], b: readonly Chunk[]): boolean {
  return a.length === b.length && a.every((chunk) => b.includes(chunk));
}
