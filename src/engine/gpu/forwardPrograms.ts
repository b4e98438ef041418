import type { ModelConfig } from "../model/checkpoint.ts";
import { attendedRows, type Scratch, slicesOf } from "./forwardBuffers.ts";
import { type BufferPart, bind, type Dispatch, type Kernel, rowsFrom } from "./kernels.ts";
import {
  attentionBlock,
  blocksFormat,
  type FeatureFormat,
  type ForwardKernels,
  inputWords,
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
  /** Rows of each sequence, which lie side by side; absent where there is but one. */
  readonly together?: number;
  /** How many rows need logits, at most `logitRows`: the first ones, or those that `scratch.picks` names. */
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
  /** How often `attendedRows` rows attend, and how many of them together. */
  readonly attentions: number;
  readonly attentionTile: number;
}

/** Sizes of one forward. */
interface Sizes {
  readonly rows: number;
  readonly tiles: number;
  readonly blocks: number;
  readonly outputs: number;
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
  /** LM heads by their tile and first row. */
  private readonly lmHeads = new Map<string, Promise<Omit<Dispatch, "workgroups">>>();

  constructor(private readonly parts: ForwardParts) {}

  async plan(forward: ForwardPlan): Promise<Dispatch[]> {
    const { rows, paths, features, featureFormat, count, outputs, mode, longest } = forward;
    const { kernels } = this.parts;
    const { tile, count: tiles } = kernels.tiling(count);
    const attentions = Math.ceil(count / attendedRows);
    const picked = forward.picked && mode === "logits";
    const attentionTile = kernels.attentionTile(forward.together ?? tile);
    const outline = { rows, paths, features, featureFormat, picked, tile, attentions, attentionTile };
    // Side by side, so that pipelines are compiled together.
    const [steps, logits] = await Promise.all([
      this.stepsOf(outline),
      mode === "none" ? [] : this.planLogits(0, outputs),
    ]);
    const sizes = { rows: count, tiles, blocks: Math.ceil(longest / attentionBlock), outputs };
    const layers = steps.map(({ kernel, bindings, workgroups }) => ({
      kernel,
      bindings,
      workgroups: workgroups(sizes),
    }));
    return [...layers, ...logits];
  }

  /**
   * What makes `scratch.logits` out of rows of the forward before, whose mode need not be "logits".
   * @param first a multiple of `logitRows`
   * @param count at most `logitRows`
   */
  async planLogits(first: number, count: number): Promise<Dispatch[]> {
    const { device, kernels, weights, scratch } = this.parts;
    const { lmHead } = weights;
    const { tile, count: tiles } = kernels.tiling(count);
    const key = `${tile} ${first}`;
    let bound = this.lmHeads.get(key);
    if (bound === undefined) {
      const input = rowsFrom(scratch.input, first, inputWords(kernels.quantize ? "int8" : "float32", lmHead.inputs));
      const buffers = [input, lmHead.weights, lmHead.columns, scratch.logits];
      bound = kernels
        .linear(shapeOf(lmHead), tile, false)
        .then((kernel) => ({ kernel, bindings: bind(device, kernel, buffers) }));
      this.lmHeads.set(key, bound);
    }
    return [{ ...(await bound), workgroups: [kernels.linearGroups(lmHead), tiles] }];
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
    const { rows, paths, features, featureFormat, picked, tile, attentions, attentionTile } = outline;
    const { device, config, kernels, weights, scratch, cache, rotary } = this.parts;
    const { hidden, heads, kvHeads, rmsEpsilon } = config;
    const { table, scales, blocks } = weights.embedding;
    const steps: Promise<Step>[] = [];
    const add = (compiling: Promise<Kernel>, buffers: readonly BufferPart[], workgroups: Workgroups) => {
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
      for (const { first } of slicesOf(attentions * attendedRows, attendedRows)) {
        const parts = kernels.attendedParts(first, { ...scratch, rows });
        const attending = (sizes: Sizes) => Math.min(attendedRows, sizes.rows - first);
        const read = [parts.queries, cache, parts.rows, paths, scratch.partial, place];
        add(kernels.attention(attentionTile), read, (sizes) => [
          sizes.blocks,
          kvHeads,
          Math.ceil(attending(sizes) / attentionTile),
        ]);
        add(kernels.merge(), [scratch.partial, parts.rows, parts.mixed], (sizes) => [attending(sizes)]);
      }
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
    // Rows that need logits are normalized once more, side by side.
    if (picked) add(kernels.norm(hidden, rmsEpsilon, { pick: true }), last, ({ outputs }) => [outputs]);
    return await Promise.all(steps);
  }
}

function isSame(a: Outline, b: Outline): boolean {
  return (
    a.rows === b.rows &&
    a.paths === b.paths &&
    a.features === b.features &&
    a.featureFormat === b.featureFormat &&
    a.picked === b.picked &&
    a.tile === b.tile &&
    a.attentions === b.attentions &&
    a.attentionTile === b.attentionTile
  );
}

function shapeOf({ inputs, outputs, format }: GpuMatrix): LinearShape {
  return { inputs, outputs, format };
}
