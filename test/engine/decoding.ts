import { CostModel } from "../../src/engine/decoding/costModel.ts";
import { type DecodeRequest, type DecodeResult, decode } from "../../src/engine/decoding/decoder.ts";
import type { DraftHead } from "../../src/engine/decoding/draftHead.ts";
import type { Method } from "../../src/engine/decoding/method.ts";
import { greedy, type SamplingOptions } from "../../src/engine/decoding/sampling.ts";
import { Strategy, type TreeSizes } from "../../src/engine/decoding/strategy.ts";
import type { ForwardResult, LogitsMode, TargetSequence, TokenRows } from "../../src/engine/decoding/target.ts";

/** Costs as of a machine where eight rows take as long as two plain ones: speculation pays, within limits. */
export function assumedCosts(): CostModel {
  const verify = [1, 2, 4, 8, 16, 32, 64].map((rows) => ({ rows, ms: 10 * (1 + rows / 8) }));
  return new CostModel({ verify, draft: [1, 1], overheadMs: 0.1 });
}

export function strategyOf(method: Method, sizes: TreeSizes = {}, head?: DraftHead): Strategy {
  return new Strategy({ method, cost: assumedCosts(), sizes, head });
}

export function request(prompt: readonly number[], changes: Partial<DecodeRequest> = {}): DecodeRequest {
  return { prompt, maxTokens: 24, sampling: greedy, endTokens: new Set(), ...changes };
}

/** The reference of every comparison: one row at a time on an empty cache. */
export function decodePlainly(fresh: TargetSequence, asked: DecodeRequest): Promise<DecodeResult> {
  return decode(fresh, strategyOf("plain"), asked);
}

export const samplers: readonly SamplingOptions[] = [
  greedy,
  { temperature: 0.8, topK: 0, topP: 1, seed: 0 },
  { temperature: 0.8, topK: 5, topP: 1, seed: 0 },
  { temperature: 1.3, topK: 0, topP: 0.8, seed: 0 },
  { temperature: 1, topK: 40, topP: 0.9, seed: 0 },
];

/** A sequence that counts its forwards and lets a test act in the middle of one. */
export class WatchedSequence implements TargetSequence {
  readonly draws = false;
  forwards = 0;
  rows = 0;
  /** Called while a forward, counted from 1, is under way. */
  during: (forward: number) => void = () => undefined;

  constructor(private readonly inner: TargetSequence) {}

  get config() {
    return this.inner.config;
  }

  get tokens() {
    return this.inner.tokens;
  }

  get capacity() {
    return this.inner.capacity;
  }

  async forward(rows: TokenRows, mode: LogitsMode, logitRows?: ArrayLike<number>): Promise<ForwardResult> {
    this.forwards++;
    this.rows += rows.tokens.length;
    const result = this.inner.forward(rows, mode, logitRows);
    this.during(this.forwards);
    return await result;
  }

  commit(rows: ArrayLike<number>): void {
    this.inner.commit(rows);
  }

  trim(length: number): void {
    this.inner.trim(length);
  }

  release(): void {
    this.inner.release();
  }
}
