import type { InferenceSession, Tensor } from "onnxruntime-node";
import type { Candidates, DraftHead, HeadOutputs, HeadRows } from "../decoding/draftHead.ts";
import type { HeadKind } from "../model/headKinds.ts";
import { draftLmHeadNames, headNames } from "./headGraph.ts";
import { KvCache } from "./kvCache.ts";
import type { PackedHeadFiles } from "./packHead.ts";
import type { RotaryTable } from "./rotary.ts";
import { floatTensor, integerTensor, openSession } from "./session.ts";
import { bodyNames } from "./targetGraph.ts";
import { masked, treeBias } from "./treeMask.ts";

/** What a head borrows from its target. */
export interface HeadSurroundings {
  readonly rotary: RotaryTable;
  /** Embeddings of these tokens, [tokens.length, hidden]. */
  embed(tokens: ArrayLike<number>): Float32Array;
}

/** A draft head's sessions, shared by all sequences. */
export class CpuHead {
  private constructor(
    readonly packed: PackedHeadFiles,
    readonly surroundings: HeadSurroundings,
    readonly head: InferenceSession,
    readonly lmHead: InferenceSession,
  ) {}

  static async load(packed: PackedHeadFiles, surroundings: HeadSurroundings, threads: number): Promise<CpuHead> {
    const head = await openSession(packed.head, { threads });
    const lmHead = await openSession(packed.lmHead, { threads });
    return new CpuHead(packed, surroundings, head, lmHead);
  }

  sequence(): CpuHeadSequence {
    return new CpuHeadSequence(this);
  }

  async release(): Promise<void> {
    await this.head.release();
    await this.lmHead.release();
  }
}

export class CpuHeadSequence implements DraftHead {
  private readonly cache: KvCache;
  /** Rows written behind the kept ones since the last `append`. */
  private explored = 0;

  constructor(private readonly shared: CpuHead) {
    const { kvHeads, headDim } = shared.packed.config.shape;
    this.cache = new KvCache(1, kvHeads, headDim);
  }

  get kind(): HeadKind {
    return this.shared.packed.config.kind;
  }

  get hidden(): number {
    return this.shared.packed.config.hidden;
  }

  get vocabulary(): number {
    return this.shared.packed.draftToTarget.length;
  }

  get length(): number {
    return this.cache.tokens;
  }

  async append(rows: HeadRows): Promise<HeadOutputs> {
    const count = rows.tokens.length;
    this.explored = 0;
    const parents = Array.from({ length: count }, (_, i) => i - 1);
    const bias = treeBias({ tokens: rows.tokens, parents }, this.length, this.cache.bucket);
    const results = await this.run(rows, bias);
    this.store(results, count);
    this.cache.advance(count);
    return this.outputs(results);
  }

  async explore(rows: HeadRows, ancestors: readonly (readonly number[])[]): Promise<HeadOutputs> {
    const count = rows.tokens.length;
    const { bucket } = this.cache;
    const width = bucket + count;
    const bias = new Float32Array(count * width).fill(masked);
    for (let row = 0; row < count; row++) {
      const start = row * width;
      bias.fill(0, start, start + this.length);
      for (const earlier of ancestors[row]!) bias[start + this.length + earlier] = 0;
      bias[start + bucket + row] = 0;
    }
    const results = await this.run(rows, bias);
    this.store(results, count);
    this.explored += count;
    return this.outputs(results);
  }

  async candidates(hidden: Float32Array, count: number): Promise<Candidates> {
    const { packed, lmHead } = this.shared;
    const wanted = Math.min(count, this.vocabulary);
    const results = await lmHead.run({
      [draftLmHeadNames.hidden]: floatTensor(hidden, [hidden.length / this.hidden, this.hidden]),
      [draftLmHeadNames.count]: integerTensor([wanted]),
    });
    const ids = results[draftLmHeadNames.ids]!.data as BigInt64Array;
    return {
      count: wanted,
      tokens: Int32Array.from(ids, (id) => packed.draftToTarget[Number(id)]!),
      logProbabilities: results[draftLmHeadNames.logProbabilities]!.data as Float32Array,
    };
  }

  trim(length: number): void {
    this.cache.trim(length);
    this.explored = 0;
  }

  private run(rows: HeadRows, bias: Float32Array): Promise<InferenceSession.ReturnType> {
    const { packed, surroundings, head } = this.shared;
    const { hidden } = this;
    const { headDim } = packed.config.shape;
    const count = rows.tokens.length;
    const { bucket } = this.cache;
    const { cos, sin } = surroundings.rotary.rows(rows.positions);
    return head.run({
      [headNames.embeddings]: floatTensor(surroundings.embed(rows.tokens), [count, hidden]),
      [headNames.features]: floatTensor(rows.features, [count, hidden]),
      [headNames.outputRows]: integerTensor(rows.outputRows),
      [bodyNames.cos]: floatTensor(cos, [count, headDim / 2]),
      [bodyNames.sin]: floatTensor(sin, [count, headDim / 2]),
      [bodyNames.rowIndex]: integerTensor(
        Array.from({ length: count }, (_, i) => i),
        [1, count],
      ),
      [bodyNames.bias]: floatTensor(bias, [count, bucket + count]),
      [bodyNames.split]: integerTensor([bucket, count]),
      [bodyNames.pastKeys(0)]: this.cache.keys(0),
      [bodyNames.pastValues(0)]: this.cache.values(0),
    });
  }

  private store(results: Readonly<Record<string, Tensor>>, count: number): void {
    const keys = results[bodyNames.newKeys(0)]!.data as Float64Array;
    const values = results[bodyNames.newValues(0)]!.data as Float64Array;
    this.cache.reserve(this.explored + count);
    for (let row = 0; row < count; row++) this.cache.write(0, this.explored + row, keys, values, row, count);
  }

  private outputs(results: Readonly<Record<string, Tensor>>): HeadOutputs {
    const data = (name: string) => results[name]!.data as Float32Array;
    const mixture = data(headNames.mixture);
    switch (this.kind) {
      case "eagle":
        return { mixture };
      case "jakiro":
        return { mixture, contrast: data(headNames.contrast) };
      case "jakiro-star":
        return { mixture, branches: [data(headNames.branches[0]), data(headNames.branches[1])] };
    }
  }
}
