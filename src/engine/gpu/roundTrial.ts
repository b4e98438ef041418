import type { DraftTree } from "../decoding/tree.ts";
import { encodeTiles } from "./draftReference.ts";
import { draftTiles } from "./headKernels.ts";
import type { Dispatch, KernelCompiler } from "./kernels.ts";
import { createRoundBuffers, type RoundBuffers, type RoundInputs } from "./roundBuffers.ts";
import { type RoundDispatches, RoundKernels, type RoundPlan } from "./roundKernels.ts";
import {
  type DeviceRow,
  decodeRows,
  encodeSequence,
  nodeWords,
  noToken,
  poolSize,
  type RoundShape,
  type SequenceStart,
  sequenceWords,
  treeWords,
} from "./roundLayout.ts";
import type { Candidate } from "./treeReference.ts";
import { poison, Trial } from "./trial.ts";

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

/** Kernels and buffers of a round on their trial: everything but the sequences and tables is poisoned first. */
export class RoundTrial {
  private constructor(
    readonly trial: Trial,
    readonly plan: RoundPlan,
    readonly buffers: RoundBuffers,
    readonly inputs: RoundInputs,
    readonly dispatches: RoundDispatches,
  ) {}

  static async create(
    compiler: KernelCompiler,
    plan: RoundPlan,
    given: Partial<RoundInputs> = {},
  ): Promise<RoundTrial> {
    const { shape, vocabulary, draftVocabulary, cache } = plan;
    const kernels = await RoundKernels.compile(compiler, plan);
    const trial = new Trial(compiler.device);
    const buffers = createRoundBuffers(compiler.device, plan);
    const { sequences: _, powers: __, offsets: ___, first, levels, verification, ...scratch } = buffers;
    trial.poison(...[first, levels, verification, scratch].flatMap((group) => Object.values(group) as GPUBuffer[]));
    const draftRows = shape.sequences * shape.branching * 2;
    const inputs = {
      draftBest: trial.poisoned(draftRows * draftTiles(draftVocabulary) * shape.branching * 2),
      draftMasses: trial.poisoned(draftRows * draftTiles(draftVocabulary) * 2),
      draftToTarget: trial.buffer(Uint32Array.from({ length: draftVocabulary }, (_, id) => id)),
      logits: trial.poisoned(shape.sequences * shape.rows * vocabulary),
      cache: trial.poisoned(cache.layers * 2 * cache.slots * cache.width),
      ...given,
    };
    return new RoundTrial(trial, plan, buffers, inputs, kernels.bind(buffers, inputs));
  }

  get shape(): RoundShape {
    return this.plan.shape;
  }

  start(sequence: number, start: SequenceStart): void {
    this.trial.write(this.buffers.sequences, encodeSequence(start), sequence * sequenceWords);
  }

  run(...dispatches: readonly Dispatch[]): void {
    this.trial.submit(dispatches);
  }

  /** Draft logits [rows, draft vocabulary], as the head's forward leaves them. */
  writeDraftLogits(logits: Float32Array): void {
    const { best, masses } = encodeTiles(logits, this.plan.draftVocabulary, this.shape.branching);
    this.trial.write(this.inputs.draftBest, best);
    this.trial.write(this.inputs.draftMasses, masses);
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
    this.trial.write(this.buffers.candidates, words);
  }

  async tree(sequence: number): Promise<DeviceTree> {
    const { shape } = this;
    const { branching, rows } = shape;
    const all = await this.trial.read(this.buffers.trees);
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
    this.trial.write(this.buffers.trees, words, sequence * treeWords(this.shape));
  }

  /** Rows with their path slots, `count` of each sequence; a padding row has no slots. */
  async rows(
    { rows, paths }: { readonly rows: GPUBuffer; readonly paths: GPUBuffer },
    sequence: number,
    count: number,
  ): Promise<(DeviceRow & { slots: number[] })[]> {
    const words = await this.trial.read(rows);
    const slots = await this.trial.read(paths);
    return decodeRows(words)
      .slice(sequence * count, (sequence + 1) * count)
      .map((row) => ({ ...row, slots: [...slots.subarray(row.path, row.path + row.position - row.contiguous + 1)] }));
  }

  /** Gives the device's memory back. */
  release(): void {
    this.trial.release();
    const { first, levels, verification, ...own } = this.buffers;
    for (const group of [own, first, levels, verification]) {
      for (const buffer of Object.values(group) as GPUBuffer[]) buffer.destroy();
    }
  }
}
