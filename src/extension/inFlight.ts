import { CancellationTokenSource } from "vscode-jsonrpc/node";
import { cursorFacts } from "../engine/completion/facts.ts";
import { isBlank, toDocumentLineEnds } from "../engine/completion/lines.ts";
import { trimCompletion } from "../engine/completion/trim.ts";
import type { CompleteParams, CompleteResult, Snippet } from "../protocol/messages.ts";
import type { Token } from "./cancellation.ts";
import type { Clock } from "./clock.ts";
import { continuationOf, type DocumentState, remainderOf } from "./documentState.ts";
import type { EngineAccess, Failure } from "./engine.ts";

/** What the engine is asked besides the text around the cursor. */
export interface RequestOptions {
  readonly path: string | undefined;
  readonly snippets: readonly Snippet[];
  readonly maxTokens: number;
  readonly alternatives: number;
  readonly priority: CompleteParams["priority"];
}

/** Texts for a state that the user reached while the engine was at work. */
export interface Arrival {
  /** To insert at the cursor in place of `closed`, best first; may be empty. */
  readonly texts: readonly string[];
  readonly closed: string;
  /** False while the engine may still add lines. */
  readonly final: boolean;
}

/** Why there is no arrival: the wait was given up, the user typed something else, or the engine ended without an answer. */
export type NoArrival = "cancelled" | "diverged" | "ended";

/** One completion that the engine is at work on; it goes on when whoever asked for it stops waiting. */
export class InFlight {
  /** Resolves when the engine has ended, however it ended. */
  readonly ended: Promise<void>;
  /** What the engine ended with; undefined before, and where it was cancelled, died or failed. */
  result: CompleteResult | undefined;
  failure: Failure | undefined;
  readonly startedAt: number;
  private text = "";
  /** When the first whole line was there, where several may come; when the engine was done, elsewhere. */
  private showableAt: number | undefined;
  /** The engine is done with it; a cancelled request is only once it has said so. */
  hasEnded = false;
  private readonly source = new CancellationTokenSource();
  private readonly waiting = new Set<() => void>();
  private readonly severalLines: boolean;

  constructor(
    engine: Pick<EngineAccess, "complete">,
    readonly state: DocumentState,
    readonly options: RequestOptions,
    private readonly clock: Clock,
  ) {
    this.startedAt = clock.now();
    this.severalLines = this.facts().mode === "multi";
    this.ended = this.run(engine);
  }

  get isOver(): boolean {
    return this.hasEnded || this.isCancelled;
  }

  get isCancelled(): boolean {
    return this.source.token.isCancellationRequested;
  }

  /** Milliseconds that the engine took, or has taken so far, until it had something to show. */
  get tookMs(): number {
    return (this.showableAt ?? this.clock.now()) - this.startedAt;
  }

  cancel(): void {
    if (this.isOver) return;
    this.source.cancel();
    this.wake();
  }

  /** Whether the user, now at `state`, may be typing what this is about to answer. */
  leadsTo(state: DocumentState): boolean {
    const continuation = continuationOf(this.state, state);
    if (continuation === undefined || this.isCancelled) return false;
    if (this.hasEnded) return this.arrivalAt(state) !== undefined;
    const { typed } = continuation;
    return this.text.startsWith(typed) || typed.startsWith(this.text);
  }

  /**
   * Waits for texts at `state`: the finished ones, or, from `patienceMs` after the request on, the complete lines that are
   * there, at least the first. Without `patienceMs` it waits until the engine is done.
   */
  async arrival(state: DocumentState, token: Token, patienceMs?: number): Promise<Arrival | NoArrival> {
    for (;;) {
      if (token.isCancellationRequested) return "cancelled";
      if (this.isOver && this.result === undefined) return "ended";
      if (!this.leadsTo(state)) return "diverged";
      if (this.hasEnded) return this.arrivalAt(state) ?? "diverged";
      const left = patienceMs === undefined ? undefined : this.startedAt + patienceMs - this.clock.now();
      if (left !== undefined && left <= 0) {
        const lines = this.linesAt(state);
        if (lines !== undefined) return lines;
      }
      await this.change(token, left !== undefined && left > 0 ? left : undefined);
    }
  }

  private async run(engine: Pick<EngineAccess, "complete">): Promise<void> {
    const { path, snippets, maxTokens, alternatives, priority } = this.options;
    const { prefix, suffix, languageId, indentation } = this.state;
    try {
      this.result = await engine.complete(
        {
          prefix,
          suffix,
          languageId,
          snippets,
          maxTokens,
          alternatives,
          priority,
          ...(path === undefined ? {} : { path }),
          ...(indentation === undefined ? {} : { indentation }),
        },
        this.source.token,
        (text) => {
          this.text = text;
          if (this.hasLine) this.showableAt ??= this.clock.now();
          this.wake();
        },
      );
    } catch (error) {
      this.failure = error instanceof Error ? error : { message: String(error) };
    }
    this.hasEnded = true;
    this.showableAt ??= this.clock.now();
    this.wake();
  }

  private get hasLine(): boolean {
    const lineBreak = this.text.lastIndexOf("\n");
    return this.severalLines && lineBreak >= 0 && !isBlank(this.text.slice(0, lineBreak));
  }

  private arrivalAt(state: DocumentState): Arrival | undefined {
    const continuation = continuationOf(this.state, state);
    if (continuation === undefined || this.result === undefined) return undefined;
    const texts = this.result.texts.flatMap((text) => remainderOf(text, continuation) ?? []);
    const untouched = continuation.typed === "" && continuation.closed === "";
    return texts.length > 0 || untouched ? { texts, closed: continuation.closed, final: true } : undefined;
  }

  /** The complete lines of an unfinished completion, trimmed as the engine will trim the whole of it. */
  private linesAt(state: DocumentState): Arrival | undefined {
    if (!this.hasLine) return undefined;
    const facts = this.facts();
    const lines = toDocumentLineEnds(trimCompletion(this.text, facts, "length").text, facts.eol);
    const continuation = continuationOf(this.state, state);
    const rest = continuation === undefined ? undefined : remainderOf(lines, continuation);
    return rest === undefined ? undefined : { texts: [rest], closed: continuation!.closed, final: false };
  }

  private facts() {
    const { prefix, suffix, languageId, indentation } = this.state;
    return cursorFacts(prefix, suffix, languageId, indentation);
  }

  /** Resolves when the text grows, the engine ends, the token is cancelled, or after `ms`. */
  private change(token: Token, ms: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.waiting.delete(done);
        listener.dispose();
        stopTimer?.();
        resolve();
      };
      const listener = token.onCancellationRequested(done);
      const stopTimer = ms === undefined ? undefined : this.clock.after(ms, done);
      this.waiting.add(done);
    });
  }

  private wake(): void {
    for (const resolve of [...this.waiting]) resolve();
  }
}
