import type { ModelConfig } from "../model/checkpoint.ts";
import type { Scratch } from "./forwardBuffers.ts";
import { bind, type Dispatch, type Kernel } from "./kernels.ts";
import {
  attentionBlock,
  blocksFormat,
  type FeatureFormat,
  type ForwardKernels,
  type LinearShape,
} from "./targetKernels.ts";
import type { GpuWeights } from "./targetWeights.ts";
import type { GpuMatrix } from "./weightUpload.ts";

/** One forward over rows that lie in a buffer. */
export interface ForwardPlan {
  /** [rows padded to a whole tile] Row */
  readonly rows: GPUBuffer;
  readonly paths: GPUBuffer;
  readonly count: number;
  /** How many rows need logits: all of them, or those that `scratch.picks` names. */
  readonly outputs: number;
  readonly picked: boolean;
  /** "none" ends with the features. */
  readonly mode: "none" | "logits";
  /** Where the rows' features go; `scratch.features` where the host reads them. */
  readonly features: GPUBuffer;
  readonly featureFormat: FeatureFormat;
  /** Positions of the longest sequence, the rows' own included. */
  readonly longest: number;
}

/** What decides which kernels run over which buffers: forwards that share it differ in numbers of workgroups alone. */
interface Outline extends Pick<ForwardPlan, "rows" | "paths" | "features" | "featureFormat" | "picked"> {
  readonly tile: number;
  /** Tile of the LM head; 0 where there are no logits. */
  readonly outputTile: number;
}

/** Sizes of one forward. */
interface Sizes {
  readonly rows: number;
  readonly tiles: number;
  readonly blocks: number;
  readonly outputs: number;
  readonly outputTiles: number;
}

type Workgroups = (sizes: Sizes) => Dispatch["workgroups"];
type Step = Omit<Dispatch, "workgroups"> & { readonly workgroups: Workgroups };

interface Program {
  readonly outline: Outline;
  readonly steps: Promise<readonly Step[]>;
}

/** What a target's forwards run on. */
export interface ForwardParts {
  readonly device: GPUDevice;
  readonly config: ModelConfig;
  readonly kernels: ForwardKernels;
  readonly weights: GpuWeights;
  readonly scratch: Scratch;
  /** Keys and values. */
  readonly cache: GPUBuffer;
  readonly rotary: GPUBuffer;
}

/** The dispatches of a target's forwards: kernels and bind groups are made once for all that differ in their sizes alone. */
export class ForwardPrograms {
  /** By the buffer of the rows, with which they are forgotten. */
  private readonly programs = new WeakMap<GPUBuffer, Program[]>();

  constructor(private readonly parts: ForwardParts) {}

  async plan(forward: ForwardPlan): Promise<Dispatch[]> {
    const { rows, paths, features, featureFormat, count, outputs, picked, mode, longest } = forward;
    const { kernels } = this.parts;
    const { tile, count: tiles } = kernels.tiling(count);
    const { tile: outputTile, count: outputTiles } = mode === "none" ? noTiles : kernels.tiling(outputs);
    const steps = await this.stepsOf({ rows, paths, features, featureFormat, picked, tile, outputTile });
    const sizes = { rows: count, tiles, blocks: Math.ceil(longest / attentionBlock), outputs, outputTiles };
    return steps.map(({ kernel, bindings, workgroups }) => ({ kernel, bindings, workgroups: workgroups(sizes) }));
  }

  private stepsOf(outline: Outline): Promise<readonly Step[]> {
    let programs = this.programs.get(outline.rows);
    if (programs === undefined) {
      programs = [];
      this.programs.set(outline.rows, programs);
    }
    let program = programs.find((known) => isSame(known.outline, outline));
    if (program === undefined) {
      program = { outline, steps: this.build(outline) };
      programs.push(program);
    }
    return program.steps;
  }

  private async build(outline: Outline): Promise<readonly Step[]> {
    const { rows, paths, features, featureFormat, picked, tile, outputTile } = outline;
    const { device, config, kernels, weights, scratch, cache, rotary } = this.parts;
    const { hidden, heads, kvHeads, rmsEpsilon } = config;
    const { table, scales, blocks } = weights.embedding;
    const steps: Promise<Step>[] = [];
    const add = (compiling: Promise<Kernel>, buffers: readonly GPUBuffer[], workgroups: Workgroups) => {
      steps.push(compiling.then((kernel) => ({ kernel, bindings: bind(device, kernel, buffers), workgroups })));
    };
    const perRow: Workgroups = (sizes) => [sizes.rows];
    const linear = (matrix: GpuMatrix, shape: LinearShape, input: GPUBuffer) =>
      add(kernels.linear(shape, tile, true), [input, matrix.weights, matrix.columns, scratch.hidden], ({ tiles }) => [
        kernels.linearGroups(shape),
        tiles,
      ]);
    add(kernels.embed(hidden, blocks), [rows, table, scales, scratch.hidden], perRow);
    const norm = kernels.norm(hidden, rmsEpsilon);
    for (const layer of weights.layers) {
      const { qkv, gateUp, place } = layer;
      const gateUpShape = shapeOf(gateUp);
      add(norm, [scratch.hidden, layer.attentionNorm, scratch.picks, scratch.input, scratch.features], perRow);
      add(
        kernels.qkv(shapeOf(qkv), tile),
        [scratch.input, qkv.weights, qkv.columns, scratch.queries, cache, rows, rotary, place],
        ({ tiles }) => [heads + 2 * kvHeads, tiles],
      );
      add(kernels.attention(), [scratch.queries, cache, rows, paths, scratch.partial, place], (sizes) => [
        sizes.blocks,
        kvHeads,
        sizes.rows,
      ]);
      add(kernels.merge(), [scratch.partial, rows, scratch.mixed], perRow);
      linear(layer.o, shapeOf(layer.o), scratch.mixed);
      add(norm, [scratch.hidden, layer.mlpNorm, scratch.picks, scratch.input, scratch.features], perRow);
      add(
        kernels.gated(gateUpShape, tile),
        [scratch.input, gateUp.weights, gateUp.columns, scratch.gated],
        ({ tiles }) => [kernels.gatedGroups(gateUpShape), tiles],
      );
      linear(layer.down, { ...shapeOf(layer.down), format: blocksFormat(layer.down.format) }, scratch.gated);
    }
    const last = [scratch.hidden, weights.outputNorm, scratch.picks, scratch.input, features];
    add(kernels.norm(hidden, rmsEpsilon, { keep: featureFormat }), last, perRow);
    if (outputTile === 0) return await Promise.all(steps);
    // Rows that need logits are normalized once more, side by side.
    if (picked) add(kernels.norm(hidden, rmsEpsilon, { pick: true }), last, ({ outputs }) => [outputs]);
    const { lmHead } = weights;
    add(
      kernels.linear(shapeOf(lmHead), outputTile, false),
      [scratch.input, lmHead.weights, lmHead.columns, scratch.logits],
      ({ outputTiles }) => [kernels.linearGroups(lmHead), outputTiles],
    );
    return await Promise.all(steps);
  }
}

const noTiles = { tile: 0, count: 0 };

function isSame(a: Outline, b: Outline): boolean {
  return (
    a.rows === b.rows &&
    a.paths === b.paths &&
    a.features === b.features &&
    a.featureFormat === b.featureFormat &&
    a.picked === b.picked &&
    a.tile === b.tile &&
    a.outputTile === b.outputTile
  );
}

function shapeOf({ inputs, outputs, format }: GpuMatrix): LinearShape {
  return { inputs, outputs, format };
}
