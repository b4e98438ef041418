import acceptSource from "../../../kernels/accept.wgsl";
import chooseSource from "../../../kernels/chooseTokens.wgsl";
import draftTopKSource from "../../../kernels/draftTopK.wgsl";
import growTreeSource from "../../../kernels/growTree.wgsl";
import logitMaximaSource from "../../../kernels/logitMaxima.wgsl";
import moveAcceptedSource from "../../../kernels/moveAccepted.wgsl";
import orderSource from "../../../kernels/order.wgsl";
import plantTreeSource from "../../../kernels/plantTree.wgsl";
import rerankSource from "../../../kernels/rerank.wgsl";
import roundSource from "../../../kernels/round.wgsl";
import rowsSource from "../../../kernels/rows.wgsl";
import sequenceSource from "../../../kernels/sequence.wgsl";
import stillGoingSource from "../../../kernels/stillGoing.wgsl";
import wideSource from "../../../kernels/wide.wgsl";
import { logitRows, slicesOf } from "./forwardBuffers.ts";
import {
  type BufferPart,
  bind,
  type Dispatch,
  type Kernel,
  type KernelCompiler,
  type KernelConstants,
  rowsFrom,
} from "./kernels.ts";
import type { RoundBuffers, RoundInputs } from "./roundBuffers.ts";
import { checkRoundShape, type RoundShape, roundConstants, rowWords } from "./roundLayout.ts";
import { linearColumns } from "./targetKernels.ts";

/** What the kernels of a round are compiled for. */
export interface RoundPlan {
  readonly shape: RoundShape;
  readonly vocabulary: number;
  readonly draftVocabulary: number;
  /** Whether the head's last forward yields a parallel level. */
  readonly parallel: boolean;
  readonly cache: MovedCache;
}

/** The target's keys and values, [layers, 2, slots, width] in 32-bit words. */
export interface MovedCache {
  readonly layers: number;
  readonly slots: number;
  readonly width: number;
}

/** Text of a round's kernels: what a verdict about them depends on. */
export const roundSources = [
  ...[sequenceSource, roundSource, orderSource, wideSource, draftTopKSource, growTreeSource],
  ...[plantTreeSource, rerankSource, logitMaximaSource, chooseSource, acceptSource, moveAcceptedSource],
  stillGoingSource,
].join("\n");

/** Ids of one workgroup of logitMaxima. */
const logitTile = 4096;
/** Exact sums of weights in 14-bit limbs have room for so many. */
export const largestVocabulary = 2 ** 18;
const moveThreads = 64;

export function logitTiles({ vocabulary }: Pick<RoundPlan, "vocabulary">): number {
  return Math.ceil(vocabulary / logitTile);
}

/** 2^31 * 2^(-i / 1024): what chooseTokens interpolates weights from. */
export function powerTable(): Uint32Array {
  return Uint32Array.from({ length: 1025 }, (_, i) => Math.round(2 ** (31 - i / 1024)));
}

/** Moves accepted rows of a cache, for outcomes of this shape. */
export function moveKernel(compiler: KernelCompiler, shape: RoundShape, { slots, width }: MovedCache): Promise<Kernel> {
  const source = [rowsSource, sequenceSource, roundSource, moveAcceptedSource].join("\n");
  return compiler.compile("moveAccepted", source, { ...roundConstants(shape), SLOTS: slots, WIDTH: width });
}

export function moveGroups({ layers, width }: MovedCache, { sequences }: RoundShape): Dispatch["workgroups"] {
  return [Math.ceil(width / moveThreads), layers * 2, sequences];
}

/** Growing what a forward proposes; the only and the last one yield two levels, where there is a parallel one. */
type Growth = "first" | "next" | "only" | "last";

interface CompiledKernels {
  readonly draftTopK: Kernel;
  readonly plantTree: Kernel;
  readonly grow: ReadonlyMap<Growth, Kernel>;
  readonly rerank: Kernel;
  readonly logitMaxima: Kernel;
  readonly chooseTokens: Kernel;
  readonly accept: Kernel;
  readonly moveAccepted: Kernel;
  readonly stillGoing: Kernel;
}

/** The kernels of a round between the forwards: draft tree, verification rows, choice of tokens, acceptance. */
export class RoundKernels {
  private constructor(
    private readonly device: GPUDevice,
    readonly plan: RoundPlan,
    private readonly kernels: CompiledKernels,
  ) {}

  /** Throws JakiroError where a size is out of range. */
  static async compile(compiler: KernelCompiler, plan: RoundPlan): Promise<RoundKernels> {
    const { shape, vocabulary, draftVocabulary, parallel } = plan;
    checkRoundShape(shape);
    const { branching, branches } = shape;
    const round = roundConstants(shape);
    const shared = [rowsSource, sequenceSource, roundSource];
    const compile = (name: string, sources: readonly string[], constants: KernelConstants) =>
      compiler.compile(name, sources.join("\n"), constants);
    const grow = (kind: Growth) => {
      const isFirst = kind === "first" || kind === "only";
      return compile("growTree", [...shared, orderSource, growTreeSource], {
        ...round,
        FRONTIER: isFirst ? 1 : branching,
        FIRST: Number(isFirst),
        PARALLEL: Number(kind === "only" || kind === "last"),
        BRANCHES: branches,
      });
    };
    const drafted: readonly Growth[] = parallel ? ["first", "next", "only", "last"] : ["first", "next"];
    const growths = shape.levels === 0 ? [] : drafted;
    const draft = { VOCABULARY: draftVocabulary, BRANCHING: branching, TILE: linearColumns };
    const [topK, plantTree, rerank, maxima, choose, accept, move, stillGoing, grown] = await Promise.all([
      compile("draftTopK", [orderSource, draftTopKSource], draft),
      compile("plantTree", [...shared, plantTreeSource], round),
      compile("rerank", [...shared, orderSource, rerankSource], round),
      compile("logitMaxima", [rowsSource, orderSource, logitMaximaSource], { VOCABULARY: vocabulary }),
      compile("chooseTokens", [rowsSource, sequenceSource, orderSource, wideSource, chooseSource], {
        VOCABULARY: vocabulary,
      }),
      compile("accept", [...shared, acceptSource], round),
      moveKernel(compiler, shape, plan.cache),
      compile("stillGoing", [sequenceSource, stillGoingSource], {}),
      Promise.all(growths.map(async (kind) => [kind, await grow(kind)] as const)),
    ]);
    return new RoundKernels(compiler.device, plan, {
      draftTopK: topK,
      plantTree,
      grow: new Map(grown),
      rerank,
      logitMaxima: maxima,
      chooseTokens: choose,
      accept,
      moveAccepted: move,
      stillGoing,
    });
  }

  /** The dispatches of a round over these buffers; their bind groups are made once, here. */
  bind(buffers: RoundBuffers, inputs: RoundInputs): RoundDispatches {
    const { device, plan, kernels } = this;
    const { sequences, rows } = plan.shape;
    const bound = (kernel: Kernel, parts: readonly BufferPart[]) => ({ kernel, bindings: bind(device, kernel, parts) });
    const { candidates, offsets, sequences: states, trees, levels, verification, first } = buffers;
    const { maxima, powers, chosen, outcomes, going } = buffers;

    const drafts = [inputs.draftBest, inputs.draftMasses, inputs.draftToTarget, candidates];
    const topK = bound(kernels.draftTopK, drafts);
    const grow = new Map<Growth, Dispatch>();
    for (const [kind, kernel] of kernels.grow) {
      const parts = [candidates, offsets, states, trees, levels.rows, levels.paths];
      grow.set(kind, { ...bound(kernel, parts), workgroups: [sequences] });
    }
    const { vocabulary } = plan;
    const choose = slicesOf(sequences * rows, logitRows).map(({ first }) => {
      const slice = rowsFrom(verification.rows, first, rowWords);
      const draws = [inputs.logits, maxima, slice, states, powers, rowsFrom(chosen, first, 1)];
      return {
        maxima: bound(kernels.logitMaxima, [inputs.logits, slice, maxima]),
        choose: bound(kernels.chooseTokens, draws),
      };
    });
    const accept = [states, verification.rows, chosen, trees, outcomes, first.rows, first.paths];
    return new RoundDispatches(plan, {
      topK: (count) => ({ ...topK, workgroups: [count] }),
      grow,
      plant: { ...bound(kernels.plantTree, [states, trees]), workgroups: [sequences] },
      rerank: {
        ...bound(kernels.rerank, [states, trees, verification.rows, verification.paths]),
        workgroups: [sequences],
      },
      choose: (first, count) => {
        const slice = choose[first / logitRows]!;
        return [
          { ...slice.maxima, workgroups: [logitTiles({ vocabulary }), count] },
          { ...slice.choose, workgroups: [count] },
        ];
      },
      accept: { ...bound(kernels.accept, accept), workgroups: [sequences] },
      move: {
        ...bound(kernels.moveAccepted, [outcomes, inputs.cache]),
        workgroups: moveGroups(plan.cache, plan.shape),
      },
      stillGoing: { ...bound(kernels.stillGoing, [states, going]), workgroups: [1] },
    });
  }
}

interface BoundDispatches {
  readonly topK: (rows: number) => Dispatch;
  readonly grow: ReadonlyMap<Growth, Dispatch>;
  readonly plant: Dispatch;
  readonly rerank: Dispatch;
  readonly choose: (first: number, count: number) => readonly Dispatch[];
  readonly accept: Dispatch;
  readonly move: Dispatch;
  readonly stillGoing: Dispatch;
}

/**
 * A round's dispatches between its forwards, in this order: for each forward of the head `level` (or `plant` where there is no head),
 * then `verify`, the forward of the target over the verification rows, `choose` for all of them, `accept`.
 */
export class RoundDispatches {
  constructor(
    private readonly plan: RoundPlan,
    private readonly bound: BoundDispatches,
  ) {}

  /** Rows of the drafts that `level` reads: [lists, sequences, nodes], the contrastive ones behind the mixture's. */
  draftRows(forward: number, last: boolean): number {
    const { shape, parallel } = this.plan;
    const nodes = forward === 1 ? 1 : shape.branching;
    return shape.sequences * nodes * (last && parallel ? 2 : shape.branches);
  }

  /**
   * Adds what a forward of the head proposed, whose drafts lie in `RoundInputs`.
   * @param forward of this round, 1 for the first
   * @param last the round's last forward: it yields the parallel level too, where the head has one
   */
  level(forward: number, last: boolean): readonly Dispatch[] {
    return [this.bound.topK(this.draftRows(forward, last)), this.grow(forward, last)];
  }

  /** The part of `level` behind the candidates. */
  grow(forward: number, last: boolean): Dispatch {
    const two = last && this.plan.parallel;
    const kind: Growth = forward === 1 ? (two ? "only" : "first") : two ? "last" : "next";
    return this.bound.grow.get(kind)!;
  }

  /** Stands for all levels where nothing is drafted: the tree is its root. */
  get plant(): Dispatch {
    return this.bound.plant;
  }

  /** Chooses and writes the rows to verify. */
  get verify(): Dispatch {
    return this.bound.rerank;
  }

  /**
   * Chooses the tokens of `count` rows of all sequences' from `first` on, whose logits lie in `RoundInputs`.
   * @param first a multiple of `logitRows`
   * @param count at most `logitRows`
   */
  choose(first: number, count: number): readonly Dispatch[] {
    return this.bound.choose(first, count);
  }

  /** Accepts what was chosen, moves the accepted rows' keys and values, and tells the next round whether any text goes on. */
  get accept(): readonly Dispatch[] {
    return [this.bound.accept, this.bound.move, this.bound.stillGoing];
  }
}
