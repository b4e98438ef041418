import type { AcceptedPath } from "./acceptance.ts";
import type { DecodeRequest, FinishReason } from "./decoder.ts";

/** The text of one request as it grows, and what ends it on the host's side. */
export class Emission {
  /** @param tokens what is written already, which grows */
  constructor(
    private readonly request: Pick<DecodeRequest, "endTokens" | "maxTokens" | "onTokens">,
    readonly tokens: number[] = [],
  ) {}

  /** How many of the tokens are part of the text, and why it ends there. */
  emit(fresh: readonly number[]): { readonly count: number; readonly reason?: FinishReason } {
    const { endTokens, maxTokens, onTokens } = this.request;
    const ended = endTokens.has(fresh.at(-1)!);
    const text = ended ? fresh.slice(0, -1) : fresh;
    const stop = text.length > 0 ? onTokens?.(text) : undefined;
    const count = stop ?? fresh.length;
    this.tokens.push(...fresh.slice(0, count));
    if (stop !== undefined) return { count, reason: "stop" };
    if (ended) return { count, reason: "end" };
    return this.tokens.length >= maxTokens ? { count, reason: "length" } : { count };
  }
}

/** The walk as it would have ended after `count` tokens. */
export function firstOf(walk: AcceptedPath, count: number): AcceptedPath {
  if (count === walk.tokens.length) return walk;
  return { path: walk.path.slice(0, count), tokens: walk.tokens.slice(0, count), ended: false };
}
