import type { DraftTree } from "../../src/engine/decoding/tree.ts";
import { draftTiles } from "../../src/engine/gpu/headKernels.ts";
import { type Dispatch, encode } from "../../src/engine/gpu/kernels.ts";
import { createRoundBuffers, type RoundBuffers, type RoundInputs } from "../../src/engine/gpu/roundBuffers.ts";
import { type RoundDispatches, RoundKernels, type RoundPlan } from "../../src/engine/gpu/roundKernels.ts";
import {
  type DeviceRow,
  decodeRows,
  encodeSequence,
  nodeWords,
  noToken,
  outcomeWords,
  pathLength,
  poolSize,
  type RoundShape,
  type SequenceStart,
  sequenceWords,
  treeWords,
} from "../../src/engine/gpu/roundLayout.ts";
import { encodeTiles } from "./draftReference.ts";
import { poison, type Rig } from "./rig.ts";
import type { Candidate } from "./treeReference.ts";

export const someShape: RoundShape = { sequences: 2, rows: 7, branching: 3, levels: 3, branches: 1 };

export function planOf(shape: RoundShape, more: Partial<RoundPlan> = {}): RoundPlan {
  const cache = { layers: 1, slots: 64, width: 1 };
  return { shape, vocabulary: 50, draftVocabulary: 40, parallel: shape.branches === 1, cache, ...more };
}

/** A tree as it lies in device memory. */
export interface DeviceTree {
  readonly size: number;
  readonly level: number;
  readonly rows: number;
  readonly frontier: number[];
  readonly parentRows: number[];
  readonly claims: number[];
  readonly nodes: { token: number; parent: number; depth: number; value: number; claim: number }[];
}

/** Kernels and buffers of a round for tests: everything but the sequences and tables is poisoned first. */
export class RoundRig {
  private constructor(
    readonly rig: Rig,
    readonly plan: RoundPlan,
    readonly buffers: RoundBuffers,
    readonly inputs: RoundInputs,
    readonly dispatches: RoundDispatches,
  ) {}

  static async create(rig: Rig, plan: RoundPlan): Promise<RoundRig> {
    const { shape, vocabulary, draftVocabulary, cache } = plan;
    const kernels = await RoundKernels.compile(rig.compiler, plan);
    const buffers = createRoundBuffers(rig.device, plan);
    const { sequences: _, powers: __, offsets: ___, first, levels, verification, ...scratch } = buffers;
    rig.poison(...[first, levels, verification, scratch].flatMap((group) => Object.values(group) as GPUBuffer[]));
    const draftRows = shape.sequences * shape.branching * 2;
    const inputs = {
      draftBest: rig.poisoned(draftRows * draftTiles(draftVocabulary) * shape.branching * 2),
      draftMasses: rig.poisoned(draftRows * draftTiles(draftVocabulary) * 2),
      draftToTarget: rig.buffer(Uint32Array.from({ length: draftVocabulary }, (_, id) => id)),
      logits: rig.poisoned(shape.sequences * shape.rows * vocabulary),
      cache: rig.poisoned(cache.layers * 2 * cache.slots * cache.width),
    };
    return new RoundRig(rig, plan, buffers, inputs, kernels.bind(buffers, inputs));
  }

  get shape(): RoundShape {
    return this.plan.shape;
  }

  start(sequence: number, start: SequenceStart): void {
    this.rig.write(this.buffers.sequences, encodeSequence(start), sequence * sequenceWords);
  }

  run(...dispatches: readonly Dispatch[]): void {
    this.rig.run(dispatches);
  }

  /** Runs in one pass and ends the encoding with what `more` adds. */
  submit(dispatches: readonly Dispatch[], more: (encoder: GPUCommandEncoder) => void): void {
    const encoder = this.rig.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass, dispatches);
    pass.end();
    more(encoder);
    this.rig.device.queue.submit([encoder.finish()]);
  }

  /** Draft logits [rows, draft vocabulary], as the head's forward leaves them. */
  writeDraftLogits(logits: Float32Array): void {
    const { best, masses } = encodeTiles(logits, this.plan.draftVocabulary, this.shape.branching);
    this.rig.write(this.inputs.draftBest, best);
    this.rig.write(this.inputs.draftMasses, masses);
  }

  /** Candidates as draftTopK leaves them, [row][rank]. */
  writeCandidates(rows: readonly (readonly Candidate[])[]): void {
    const { branching } = this.shape;
    const words = new Uint32Array(rows.length * branching * 2);
    const floats = new Float32Array(words.buffer);
    for (const [row, candidates] of rows.entries()) {
      for (let rank = 0; rank < branching; rank++) {
        const [token, logProbability] = candidates[rank] ?? [noToken, -1e30];
        const at = 2 * (row * branching + rank);
        words[at] = token;
        floats[at + 1] = logProbability;
      }
    }
    this.rig.write(this.buffers.candidates, words);
  }

  async tree(sequence: number): Promise<DeviceTree> {
    const { shape } = this;
    const { branching, rows } = shape;
    const all = await this.rig.read(this.buffers.trees);
    const words = all.subarray(sequence * treeWords(shape), (sequence + 1) * treeWords(shape));
    const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
    const nodes = 3 + 2 * branching + rows;
    return {
      size: words[0]!,
      level: words[1]!,
      rows: words[2]!,
      frontier: [...words.subarray(3, 3 + branching)],
      parentRows: [...words.subarray(3 + branching, 3 + 2 * branching)],
      claims: [...words.subarray(3 + 2 * branching, nodes)],
      nodes: Array.from({ length: Math.min(words[0]!, poolSize(shape)) }, (_, i) => {
        const at = nodes + i * nodeWords;
        return {
          token: words[at]!,
          parent: words[at + 1]!,
          depth: words[at + 2]!,
          value: floats[at + 3]!,
          claim: words[at + 4]!,
        };
      }),
    };
  }

  /** Puts a tree where growTree leaves it; a node's claim is 7 times its index. */
  writeTree(sequence: number, tree: DraftTree): void {
    const { branching, rows } = this.shape;
    const words = new Uint32Array(treeWords(this.shape)).fill(poison);
    const floats = new Float32Array(words.buffer);
    words.set([tree.size, 0, 0]);
    for (let node = 0; node < tree.size; node++) {
      const at = 3 + 2 * branching + rows + node * nodeWords;
      words.set([tree.token(node), tree.parent(node), tree.depth(node)], at);
      floats[at + 3] = tree.value(node);
      words[at + 4] = 7 * node;
    }
    this.rig.write(this.buffers.trees, words, sequence * treeWords(this.shape));
  }

  /** Rows with their path slots, `count` of each sequence; a padding row has no slots. */
  async rows(
    { rows, paths }: { readonly rows: GPUBuffer; readonly paths: GPUBuffer },
    sequence: number,
    count: number,
  ): Promise<(DeviceRow & { slots: number[] })[]> {
    const words = await this.rig.read(rows);
    const slots = await this.rig.read(paths);
    return decodeRows(words)
      .slice(sequence * count, (sequence + 1) * count)
      .map((row) => ({ ...row, slots: [...slots.subarray(row.path, row.path + row.position - row.contiguous + 1)] }));
  }

  async outcome(sequence: number): Promise<Uint32Array> {
    const size = outcomeWords(this.shape);
    return (await this.rig.read(this.buffers.outcomes)).slice(sequence * size, (sequence + 1) * size);
  }

  get path(): number {
    return pathLength(this.shape);
  }
}
