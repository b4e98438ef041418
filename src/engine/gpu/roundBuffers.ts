import { headCells } from "../decoding/calibration.ts";
import { logitRows } from "./forwardBuffers.ts";
import { logitTiles, powerTable, type RoundPlan } from "./roundKernels.ts";
import {
  encodeIdleSequence,
  noSlot,
  outcomeWords,
  pathLength,
  rowWords,
  sequenceWords,
  treeWords,
} from "./roundLayout.ts";
import { storage } from "./storage.ts";
import { tileSizes } from "./targetKernels.ts";

/** Rows of a forward. */
export interface RowBuffers {
  /** [sequences, rows] Row, and behind them padding for products, which take rows in tiles */
  readonly rows: GPUBuffer;
  /** [sequences, rows, path] slots */
  readonly paths: GPUBuffer;
}

/** Buffers that belong to the round itself. */
export interface RoundBuffers {
  /** [sequences] Sequence */
  readonly sequences: GPUBuffer;
  /** [sequences, cells] what calibration adds to the head's probabilities (`Calibration.headOffsets`) */
  readonly offsets: GPUBuffer;
  /** [sequences] Tree */
  readonly trees: GPUBuffer;
  /** [draft rows, branching] (token, log-probability) */
  readonly candidates: GPUBuffer;
  /** The first forward of the head: [sequences, path], the last accepted token in the last row. */
  readonly first: RowBuffers;
  /** Later forwards of the head: [sequences, branching]. */
  readonly levels: RowBuffers;
  /** [sequences, rows] of the target's forward */
  readonly verification: RowBuffers;
  /** [logitRows, tiles] (key, id) */
  readonly maxima: GPUBuffer;
  /** Table of `powerTable`. */
  readonly powers: GPUBuffer;
  /** [sequences, rows] u32 */
  readonly chosen: GPUBuffer;
  /** [sequences] Outcome */
  readonly outcomes: GPUBuffer;
  /** What kernels/going.wgsl reads. */
  readonly going: GPUBuffer;
}

/** Buffers of the forwards that a round's kernels read or move. */
export interface RoundInputs {
  /** [`RoundDispatches.draftRows`, tiles, branching] (order key, draft id) of kernels/linearBest.wgsl */
  readonly draftBest: GPUBuffer;
  /** [`RoundDispatches.draftRows`, tiles] (largest logit, sum) */
  readonly draftMasses: GPUBuffer;
  /** [draft vocabulary] target id of each draft id */
  readonly draftToTarget: GPUBuffer;
  /** [logitRows, vocabulary] float32, of the rows whose tokens are chosen */
  readonly logits: GPUBuffer;
  /** Keys and values of the target, [layers, 2, slots, width] in 32-bit words. */
  readonly cache: GPUBuffer;
}

/** Rows of the largest tile of a product. */
const mostTileRows = tileSizes.at(-1)!;

/** Room for rows, and behind them rows without a slot, which fill up a tile. */
export function paddedRows(device: GPUDevice, label: string, count: number): GPUBuffer {
  const table = storage(device, label, (count + mostTileRows) * rowWords);
  const padding = new Uint32Array(mostTileRows * rowWords).fill(noSlot);
  device.queue.writeBuffer(table, count * rowWords * 4, padding);
  return table;
}

/** Makes a round's buffers: all sequences idle, nothing calibrated. */
export function createRoundBuffers(device: GPUDevice, plan: RoundPlan): RoundBuffers {
  const { shape } = plan;
  const { sequences, branching, branches } = shape;
  const path = pathLength(shape);
  const create = (label: string, words: number) => storage(device, label, words);
  const rows = (label: string, count: number): RowBuffers => ({
    rows: paddedRows(device, `${label} rows`, count),
    paths: create(`${label} paths`, count * path),
  });
  const draftRows = sequences * branching * (plan.parallel ? 2 : branches);
  const verified = sequences * shape.rows;
  const buffers: RoundBuffers = {
    sequences: create("sequences", sequences * sequenceWords),
    offsets: create("calibration", sequences * headCells),
    trees: create("trees", sequences * treeWords(shape)),
    candidates: create("candidates", draftRows * branching * 2),
    first: rows("first", sequences * path),
    levels: rows("level", sequences * branching),
    verification: rows("verification", verified),
    maxima: create("maxima of tiles", Math.min(verified, logitRows) * logitTiles(plan) * 2),
    powers: create("powers", 1025),
    chosen: create("chosen tokens", verified),
    outcomes: create("outcomes", sequences * outcomeWords(shape)),
    going: storage(device, "going", 4, GPUBufferUsage.UNIFORM),
  };
  for (let s = 0; s < sequences; s++) {
    device.queue.writeBuffer(buffers.sequences, s * sequenceWords * 4, encodeIdleSequence().buffer);
  }
  device.queue.writeBuffer(buffers.powers, 0, powerTable().buffer);
  return buffers;
}
