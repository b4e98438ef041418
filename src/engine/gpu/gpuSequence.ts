import { rowDepths } from "../cpu/treeMask.ts";
import { greedy } from "../decoding/sampling.ts";
import type { ForwardResult, LogitsMode, TargetSequence, TokenRows } from "../decoding/target.ts";
import { JakiroError } from "../errors.ts";
import type { ModelConfig } from "../model/checkpoint.ts";
import { logitRows as mostLogits, mostRows } from "./forwardBuffers.ts";
import type { ForwardPlan } from "./forwardPrograms.ts";
import type { GpuTarget } from "./gpuTarget.ts";
import { noSlot, rowWords } from "./roundLayout.ts";

/** One sequence on the GPU: a region of the KV cache, driven from the host forward by forward. */
export class GpuSequence implements TargetSequence {
  private readonly committed: number[] = [];
  private pending: TokenRows | undefined;

  constructor(
    private readonly target: GpuTarget,
    /** First KV slot. */
    readonly region: number,
    readonly capacity: number,
  ) {}

  get config(): ModelConfig {
    return this.target.config;
  }

  get tokens(): readonly number[] {
    return this.committed;
  }

  get draws(): boolean {
    return true;
  }

  async forward(rows: TokenRows, mode: LogitsMode, logitRows?: ArrayLike<number>): Promise<ForwardResult> {
    const count = rows.tokens.length;
    const outputs = mode === "none" ? 0 : (logitRows?.length ?? count);
    if (count > mostRows) throw new Error(`a forward takes at most ${mostRows} rows, not ${count}`);
    if (outputs > mostLogits) throw new Error(`a forward gives logits of at most ${mostLogits} rows, not ${outputs}`);
    return this.target.exclusively(() => this.run(rows, mode, logitRows));
  }

  commit(rows: ArrayLike<number>): void {
    const { pending, committed, region } = this;
    if (pending === undefined) throw new Error("commit needs the rows of a forward");
    if (committed.length + rows.length > this.capacity) {
      throw new JakiroError("usage", `The text is longer than the context of ${this.capacity} tokens; shorten it.`);
    }
    const first = region + committed.length;
    if (Array.prototype.some.call(rows, (row, i) => row !== i)) this.target.move(first, rows);
    for (let i = 0; i < rows.length; i++) committed.push(pending.tokens[rows[i]!]!);
    this.pending = undefined;
  }

  /** Counts tokens as committed whose keys and values the device has put into place by itself. */
  adopt(tokens: readonly number[]): void {
    this.committed.push(...tokens);
    this.pending = undefined;
  }

  trim(length: number): void {
    this.committed.length = Math.min(this.committed.length, length);
    this.pending = undefined;
  }

  release(): void {
    this.target.free(this.region);
  }

  private async run(rows: TokenRows, mode: LogitsMode, logitRows?: ArrayLike<number>): Promise<ForwardResult> {
    const count = rows.tokens.length;
    const { target } = this;
    const { scratch } = target;
    const { hidden, vocabulary } = this.config;
    const outputs = mode === "none" ? 0 : (logitRows?.length ?? count);
    const sampling = mode === "argmax" ? greedy : typeof mode === "object" ? mode : undefined;
    const { table, paths, longest } = this.layOut(rows);
    const { rows: rowBuffer, paths: pathBuffer, features } = scratch;
    const plan: ForwardPlan = {
      rows: rowBuffer,
      paths: pathBuffer,
      features,
      featureFormat: "values",
      count,
      outputs,
      picked: logitRows !== undefined,
      mode: mode === "none" ? mode : "logits",
      longest,
    };
    const dispatches = await target.plan(plan);
    if (sampling !== undefined) dispatches.push(...(await target.draw.plan(outputs)));
    // From here to the submission nothing waits: other sequences use the same buffers.
    const { queue } = target.gpu.device;
    queue.writeBuffer(scratch.rows, 0, table);
    queue.writeBuffer(scratch.paths, 0, paths);
    if (mode !== "none") {
      queue.writeBuffer(
        scratch.picks,
        0,
        Uint32Array.from(logitRows ?? { length: count }, (row, i) => row ?? i),
      );
    }
    if (sampling !== undefined) target.draw.write(sampling, picked(table, logitRows));
    const wanted = [{ from: features, bytes: count * hidden * 4 }];
    if (sampling !== undefined) wanted.push({ from: scratch.chosen, bytes: outputs * 4 });
    if (mode === "logits") wanted.push({ from: scratch.logits, bytes: outputs * vocabulary * 4 });
    const [read, predicted] = await target.read(dispatches, wanted);
    this.pending = rows;
    const result = { features: new Float32Array(read!) };
    if (typeof mode === "object") return { ...result, drawn: new Int32Array(predicted!) };
    switch (mode) {
      case "none":
        return result;
      case "argmax":
        return { ...result, argmax: new Int32Array(predicted!) };
      case "logits":
        return { ...result, logits: new Float32Array(predicted!) };
    }
  }

  /** The forward's rows and paths as kernels/rows.wgsl has them, padded to whole tiles by rows that store nothing. */
  private layOut(rows: TokenRows) {
    const { region, committed } = this;
    const count = rows.tokens.length;
    const depths = rowDepths(rows.parents);
    const table = new Uint32Array(mostRows * rowWords);
    const paths: number[] = [];
    let longest = 1;
    for (let row = 0; row < mostRows; row++) {
      const at = row * rowWords;
      if (row >= count) {
        table[at + 5] = noSlot;
        continue;
      }
      const position = committed.length + depths[row]!;
      // A row whose ancestors are the rows before it continues the text without a gap.
      const contiguous = depths[row] === row ? position + 1 : committed.length;
      table.set([rows.tokens[row]!, position, region, contiguous, paths.length, region + committed.length + row], at);
      table[at + 7] = rows.parents[row]!;
      if (contiguous <= position) {
        const start = paths.length;
        for (let node = row; node >= 0; node = rows.parents[node]!)
          paths.splice(start, 0, region + committed.length + node);
      }
      longest = Math.max(longest, position + 1);
    }
    return { table, paths: Uint32Array.from(paths), longest };
  }
}

/** The rows of a table that are named, in that order; all where none are. */
function picked(table: Uint32Array, names: ArrayLike<number> | undefined): Uint32Array {
  if (names === undefined) return table.subarray(0, mostLogits * rowWords);
  const rows = new Uint32Array(names.length * rowWords);
  for (let i = 0; i < names.length; i++) {
    rows.set(table.subarray(names[i]! * rowWords, (names[i]! + 1) * rowWords), i * rowWords);
  }
  return rows;
}
