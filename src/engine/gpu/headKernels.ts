import expertInputSource from "../../../kernels/expertInput.wgsl";
import goingSource from "../../../kernels/going.wgsl";
import headInputSource from "../../../kernels/headInput.wgsl";
import bestSource from "../../../kernels/linearBest.wgsl";
import gatedSource from "../../../kernels/linearGated.wgsl";
import gatheredSource from "../../../kernels/linearGathered.wgsl";
import keepSource from "../../../kernels/linearKeep.wgsl";
import mixSource from "../../../kernels/linearMix.wgsl";
import normedSource from "../../../kernels/linearNormed.wgsl";
import normPartsSource from "../../../kernels/normParts.wgsl";
import orderSource from "../../../kernels/order.wgsl";
import type { HeadConfig } from "../model/headFile.ts";
import type { Kernel, KernelConstants } from "./kernels.ts";
import {
  type ForwardKernels,
  type LinearShape,
  linearColumns,
  productThreads,
  quantizeSource,
  tileSizes,
} from "./targetKernels.ts";

/** Text of the kernels that heads alone have: what a verdict about them depends on. */
export const headSources = [
  ...[headInputSource, gatheredSource, keepSource, normedSource, normPartsSource],
  ...[expertInputSource, mixSource, bestSource],
].join("\n");

/** Tiles of linearMix hold both lists of a row. */
const largestMixTile = 16;

/** What of a head decides its kernels. */
export type HeadShape = Pick<HeadConfig, "kind" | "hidden" | "intermediate" | "experts" | "rmsEpsilon">;

/** Tiles of a draft vocabulary, each with its own best ids. */
export function draftTiles(draftVocabulary: number): number {
  return Math.ceil(draftVocabulary / linearColumns);
}

/** Experts of a head; a dense one has a single one. */
export function expertsOf({ experts }: Pick<HeadShape, "experts">): number {
  return Math.max(1, experts);
}

/** Output lists of a head: y1 and y2, or the two branches; a dense head has one. */
export function listsOf({ kind }: Pick<HeadShape, "kind">): 1 | 2 {
  return kind === "eagle" ? 1 : 2;
}

/** Floats that linearNormed leaves for each row. */
export function partsOf(shape: HeadShape): number {
  return Math.ceil(shape.hidden / linearColumns) * (gatesOf(shape) + 1);
}

/** The smallest tile of linearMix that holds so many rows, or its largest. */
export function mixTile(rows: number): number {
  return tileSizes.find((size) => size >= rows && size <= largestMixTile) ?? largestMixTile;
}

/** Compiles the kernels that a draft head has besides those of a forward. */
export class HeadKernels {
  private readonly quantized: KernelConstants;

  constructor(
    private readonly forward: ForwardKernels,
    private readonly shape: HeadShape,
  ) {
    this.quantized = { QUANTIZE: Number(forward.quantize) };
  }

  /** @param featureScale power of two by which the steps of features are too large */
  fc(shape: LinearShape, tile: number, featureScale: number): Promise<Kernel> {
    const operands = {
      source: headInputSource + gatheredSource,
      constants: { ...this.quantized, FEATURE_SCALE: featureScale },
    };
    return this.product("linearKeep", quantizeSource + keepSource, shape, tile, this.quantized, operands);
  }

  normed(shape: LinearShape, tile: number): Promise<Kernel> {
    const constants = { ...this.quantized, GATES: gatesOf(this.shape) };
    return this.product("linearNormed", quantizeSource + normedSource, shape, tile, constants);
  }

  /** @param count rows that need outputs */
  gated(shape: LinearShape, tile: number, count: number): Promise<Kernel> {
    const operands = {
      source: normPartsSource + expertInputSource + gatheredSource,
      constants: { ...this.quantized, ...this.normParts, COUNT: count },
    };
    return this.product("linearGated experts", quantizeSource + gatedSource, shape, tile, this.quantized, operands);
  }

  mix(tile: number, count: number): Promise<Kernel> {
    const { kind, hidden, intermediate } = this.shape;
    return this.forward.compiler.compile("linearMix", goingSource + quantizeSource + normPartsSource + mixSource, {
      ...this.quantized,
      ...this.normParts,
      ROWS: tile,
      COLUMNS: linearColumns,
      SLICES: productThreads / linearColumns,
      COUNT: count,
      INPUTS: intermediate,
      OUTPUTS: hidden,
      EXPERTS: expertsOf(this.shape),
      LISTS: listsOf(this.shape),
      BRANCHES: Number(kind === "jakiro-star"),
    });
  }

  best(shape: LinearShape, tile: number, branching: number): Promise<Kernel> {
    return this.product("linearBest", orderSource + bestSource, shape, tile, { BRANCHING: branching });
  }

  private get normParts(): KernelConstants {
    const { hidden, rmsEpsilon } = this.shape;
    return { HIDDEN: hidden, EPSILON: rmsEpsilon, GATES: gatesOf(this.shape) };
  }

  private product(
    name: string,
    epilogue: string,
    shape: LinearShape,
    tile: number,
    constants: KernelConstants,
    operands?: Parameters<ForwardKernels["product"]>[6],
  ): Promise<Kernel> {
    return this.forward.product(name, epilogue, shape, tile, linearColumns, constants, operands);
  }
}

/** The experts' gates, and the two contrastive ones. */
export function gatesOf(shape: Pick<HeadShape, "kind" | "experts">): number {
  return listsOf(shape) === 1 ? 0 : expertsOf(shape) + 2;
}
