import type { InferenceSession, Tensor } from "onnxruntime-node";
import type { ForwardResult, LogitsMode, Target, TargetSequence, TokenRows } from "../decoding/target.ts";
import { JakiroError } from "../errors.ts";
import type { Checkpoint, ModelConfig } from "../model/checkpoint.ts";
import { EmbeddingTable } from "./embeddingTable.ts";
import { KvCache } from "./kvCache.ts";
import type { PackedTarget } from "./packTarget.ts";
import { RotaryTable } from "./rotary.ts";
import { floatTensor, integerTensor, openSession } from "./session.ts";
import { bodyNames, lmHeadNames } from "./targetGraph.ts";
import { rowDepths, treeBias } from "./treeMask.ts";

/** The target model on the CPU: two sessions that all sequences share. */
export class CpuTarget implements Target {
  readonly rotary: RotaryTable;
  private readonly embeddings: EmbeddingTable;

  private constructor(
    readonly checkpoint: Checkpoint,
    readonly packed: PackedTarget,
    readonly body: InferenceSession,
    readonly lmHead: InferenceSession,
  ) {
    this.rotary = new RotaryTable(checkpoint.config.rope, checkpoint.config.headDim);
    this.embeddings = new EmbeddingTable(checkpoint);
  }

  static async load(checkpoint: Checkpoint, packed: PackedTarget, threads: number): Promise<CpuTarget> {
    const body = await openSession(packed.body, { threads });
    const lmHead = await openSession(packed.lmHead, { threads });
    return new CpuTarget(checkpoint, packed, body, lmHead);
  }

  /** A fresh sequence of at most `capacity` tokens. */
  sequence(capacity: number): CpuSequence {
    return new CpuSequence(this, Math.min(capacity, this.checkpoint.config.contextLength));
  }

  /** Embeddings of these tokens, [tokens.length, hidden]. */
  embed(tokens: ArrayLike<number>): Float32Array {
    return this.embeddings.rows(tokens);
  }

  async release(): Promise<void> {
    await this.body.release();
    await this.lmHead.release();
  }
}

interface PendingRows {
  readonly tokens: ArrayLike<number>;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

export class CpuSequence implements TargetSequence {
  private readonly committed: number[] = [];
  private readonly cache: KvCache;
  private pending: PendingRows | undefined;

  constructor(
    private readonly target: CpuTarget,
    readonly capacity: number,
  ) {
    const { layers, kvHeads, headDim } = this.config;
    this.cache = new KvCache(layers, kvHeads, headDim);
  }

  get config(): ModelConfig {
    return this.target.checkpoint.config;
  }

  get tokens(): readonly number[] {
    return this.committed;
  }

  get draws(): boolean {
    return false;
  }

  async forward(rows: TokenRows, mode: LogitsMode, logitRows?: ArrayLike<number>): Promise<ForwardResult> {
    const { hidden, headDim, layers } = this.config;
    const count = rows.tokens.length;
    const length = this.committed.length;
    const { bucket } = this.cache;
    const depths = rowDepths(rows.parents);
    const { cos, sin } = this.target.rotary.rows(depths.map((depth) => length + depth));
    const feeds: Record<string, Tensor> = {
      [bodyNames.hidden]: floatTensor(this.target.embed(rows.tokens), [count, hidden]),
      [bodyNames.cos]: floatTensor(cos, [count, headDim / 2]),
      [bodyNames.sin]: floatTensor(sin, [count, headDim / 2]),
      [bodyNames.rowIndex]: integerTensor(
        Array.from({ length: count }, (_, i) => i),
        [1, count],
      ),
      [bodyNames.bias]: floatTensor(treeBias(rows, length, bucket), [count, bucket + count]),
      [bodyNames.split]: integerTensor([bucket, count]),
    };
    for (let layer = 0; layer < layers; layer++) {
      feeds[bodyNames.pastKeys(layer)] = this.cache.keys(layer);
      feeds[bodyNames.pastValues(layer)] = this.cache.values(layer);
    }
    const outputs = await this.target.body.run(feeds);
    this.pending = { tokens: rows.tokens, outputs };
    const features = outputs[bodyNames.features]!.data as Float32Array;
    if (mode === "none") return { features };
    if (typeof mode === "object") throw new Error("the processor draws no tokens in a forward");
    return { features, ...(await this.predict(gatherRows(features, hidden, logitRows), mode)) };
  }

  commit(rows: ArrayLike<number>): void {
    const { pending, cache } = this;
    if (pending === undefined) throw new Error("commit needs the rows of a forward");
    if (this.committed.length + rows.length > this.capacity) {
      throw new JakiroError("usage", `The text is longer than the context of ${this.capacity} tokens; shorten it.`);
    }
    const count = pending.tokens.length;
    cache.reserve(rows.length);
    for (let layer = 0; layer < this.config.layers; layer++) {
      const keys = pending.outputs[bodyNames.newKeys(layer)]!.data as Float64Array;
      const values = pending.outputs[bodyNames.newValues(layer)]!.data as Float64Array;
      for (let i = 0; i < rows.length; i++) cache.write(layer, i, keys, values, rows[i]!, count);
    }
    cache.advance(rows.length);
    for (let i = 0; i < rows.length; i++) this.committed.push(pending.tokens[rows[i]!]!);
    this.pending = undefined;
  }

  trim(length: number): void {
    this.cache.trim(length);
    this.committed.length = Math.min(this.committed.length, length);
    this.pending = undefined;
  }

  release(): void {
    this.trim(0);
  }

  /** Bits of the last forward's new keys and values, for tests of path independence. */
  pendingKeysAndValues(): ReadonlyMap<string, Float64Array> {
    const entries = Object.entries(this.pending?.outputs ?? {}).filter(([name]) => name !== bodyNames.features);
    return new Map(entries.map(([name, tensor]) => [name, tensor.data as Float64Array]));
  }

  private async predict(features: Float32Array, mode: "argmax" | "logits"): Promise<Partial<ForwardResult>> {
    const { hidden } = this.config;
    const rows = features.length / hidden;
    const input = {
      [lmHeadNames.features]: floatTensor(features, [rows, hidden]),
      [lmHeadNames.logitRows]: integerTensor(mode === "logits" ? Array.from({ length: rows }, (_, i) => i) : []),
    };
    const results = await this.target.lmHead.run(input, [lmHeadNames[mode]]);
    const { data } = results[lmHeadNames[mode]]!;
    return mode === "logits"
      ? { logits: data as Float32Array }
      : { argmax: Int32Array.from(data as BigInt64Array, Number) };
  }
}

function gatherRows(values: Float32Array, width: number, rows: ArrayLike<number> | undefined): Float32Array {
  if (rows === undefined) return values;
  const gathered = new Float32Array(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    gathered.set(values.subarray(rows[i]! * width, (rows[i]! + 1) * width), i * width);
  }
  return gathered;
}
