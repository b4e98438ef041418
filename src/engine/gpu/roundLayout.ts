import type { AcceptedPath } from "../decoding/acceptance.ts";
import type { Claim } from "../decoding/calibration.ts";
import type { FinishReason } from "../decoding/decoder.ts";
import type { SamplingOptions } from "../decoding/sampling.ts";
import type { TokenRows } from "../decoding/target.ts";
import { JakiroError } from "../errors.ts";
import { mostRows } from "./forwardBuffers.ts";
import type { KernelConstants } from "./kernels.ts";

/** Sizes that all kernels of a round share; one set of pipelines and buffers belongs to each. */
export interface RoundShape {
  /** Sequences of the batch. */
  readonly sequences: number;
  /** Verification rows of a sequence, root included. */
  readonly rows: number;
  /** Children per expanded node, and nodes expanded per level. */
  readonly branching: number;
  /** Levels below the root, the parallel one included; 0 where nothing is drafted. */
  readonly levels: number;
  /** Candidate lists per expanded node: 2 for two-branch heads. */
  readonly branches: 1 | 2;
  /** Tokens of the longest chain that the host may put in a tree's place; none where absent. */
  readonly chain?: number;
}

export const mostBranching = 16;
/** Nodes whose keys fit into the workgroup memory that every device has, beside what else lies there. */
const mostNodes = 3840;
const mostEndTokens = 16;

/** Throws JakiroError("usage") that names the size which is out of range. */
export function checkRoundShape(shape: RoundShape): void {
  const { rows, branching, levels } = shape;
  if (rows < 1 || rows > mostRows) throw refusal(`${rows} nodes`, `choose 1 to ${mostRows}`);
  if (branching < 1 || branching > mostBranching)
    throw refusal(`branching ${branching}`, `choose 1 to ${mostBranching}`);
  if (levels < 0 || poolSize(shape) > mostNodes)
    throw refusal(`${levels} levels`, "choose fewer levels or less branching");
}

function refusal(what: string, remedy: string): JakiroError {
  return new JakiroError("usage", `A draft tree of ${what} does not fit on the GPU: ${remedy}.`);
}

/** Rows of the longest path through a tree. */
export function pathLength({ levels, chain = 0 }: RoundShape): number {
  return Math.max(levels, chain) + 1;
}

/** Places for nodes of one tree, the root's included. */
export function poolSize({ branching, levels, branches, chain = 0 }: RoundShape): number {
  const drafted = levels === 0 ? 0 : branches * branching * (1 + (levels - 1) * branching);
  return 1 + Math.max(drafted, chain);
}

/** KV slots that the head needs behind a sequence's own: every expanded node has one. */
export function headScratchSlots({ branching, levels }: RoundShape): number {
  return branching * levels;
}

/** Constants of kernels/round.wgsl. */
export function roundConstants(shape: RoundShape): KernelConstants {
  return {
    SEQUENCES: shape.sequences,
    ROWS: shape.rows,
    BRANCHING: shape.branching,
    PATH: pathLength(shape),
    POOL: poolSize(shape),
  };
}

/** 32-bit words of kernels/rows.wgsl's Row. */
export const rowWords = 8;
/** 32-bit words of a `Sequence`. */
export const sequenceWords = 32;
/** 32-bit words of a `Node`. */
export const nodeWords = 5;

/** `slot` of rows that only fill up a tile. */
export const noSlot = 0xffffffff;
/** `parent` of the root and of places that hold no node. */
export const noNode = 0xffffffff;
/** Token of a candidate that is none. */
export const noToken = 0xffffffff;

/** A row of a forward, as kernels/rows.wgsl explains it. */
export interface DeviceRow {
  readonly token: number;
  readonly position: number;
  readonly region: number;
  readonly contiguous: number;
  readonly path: number;
  readonly slot: number;
  readonly sequence: number;
  readonly parent: number;
}

export function encodeRow(row: DeviceRow): Uint32Array {
  const { token, position, region, contiguous, path, slot, sequence, parent } = row;
  return Uint32Array.of(token, position, region, contiguous, path, slot, sequence, parent);
}

/** Rows as they lie in a buffer. */
export function decodeRows(words: Uint32Array): DeviceRow[] {
  return Array.from({ length: words.length / rowWords }, (_, i) => {
    const [token, position, region, contiguous, path, slot, sequence, parent] = words.subarray(i * rowWords);
    return {
      token: token!,
      position: position!,
      region: region!,
      contiguous: contiguous!,
      path: path!,
      slot: slot!,
      sequence: sequence!,
      parent: parent! | 0,
    };
  });
}

/** A request, as the device sees it. */
export interface SequenceStart {
  /** First KV slot of the target, and how many belong to the sequence. */
  readonly region: number;
  readonly capacity: number;
  /** First KV slot of the draft head: `capacity` + `headScratchSlots` belong to the sequence. */
  readonly headRegion: number;
  /** Rows to verify, root included. */
  readonly nodes: number;
  readonly tokenLimit: number;
  readonly sampling: SamplingOptions;
  readonly endTokens: ReadonlySet<number>;
  /** Committed tokens. */
  readonly length: number;
  /** The token after them: at first the prompt's last one. */
  readonly root: number;
}

/** Byte offsets in a sequence of what the host may change while rounds run. */
export const sequenceOffsets = { nodes: 12, finished: 120 } as const;
/** Value of `finished` for sequences that the host has ended. */
export const finishedByHost = 4;

const finishReasons: readonly (FinishReason | undefined)[] = [undefined, "end", "length", "context"];

/** However high the temperature, 0 means greedy. */
const leastSharpness = 1e-30;

/** Throws JakiroError("model") where the device has no room for the model's end tokens. */
export function encodeSequence(start: SequenceStart): Uint32Array {
  const { sampling, endTokens } = start;
  if (endTokens.size > mostEndTokens) {
    const sentence = `The model ends its texts with ${endTokens.size} different tokens, more than ${mostEndTokens}`;
    throw new JakiroError("model", `${sentence}: use --device cpu.`, {
      inEditor: `${sentence}: set jakiro.device to cpu.`,
      remedy: "device",
    });
  }
  const words = new Uint32Array(sequenceWords);
  const sharpness =
    sampling.temperature > 0 ? Math.max((Math.LOG2E * 2 ** 20) / sampling.temperature, leastSharpness) : 0;
  const topP = sampling.topP < 1 ? Math.min(Math.max(Math.round(sampling.topP * 2 ** 32), 1), 2 ** 32 - 1) : 0;
  words.set([start.region, start.capacity, start.headRegion, start.nodes, start.tokenLimit, sampling.topK, topP]);
  words[7] = floatBits(sharpness);
  words[8] = sampling.seed;
  words[9] = Math.floor(sampling.seed / 2 ** 32);
  words[10] = endTokens.size;
  words.set([...endTokens], 11);
  words.set([start.length, start.root], 27);
  return words;
}

/** A sequence's place in the batch that no request uses: rounds pass over it. */
export function encodeIdleSequence(): Uint32Array {
  const words = new Uint32Array(sequenceWords);
  words[sequenceOffsets.finished / 4] = finishedByHost;
  return words;
}

function floatBits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!;
}

/** 32-bit words of a `Tree`. */
export function treeWords(shape: RoundShape): number {
  return nodesOffset(shape) + nodeWords * poolSize(shape);
}

/** Words of a `Tree` before its nodes. */
function nodesOffset({ branching, rows }: RoundShape): number {
  return 3 + 2 * branching + rows;
}

/** A part of a `Tree`, by its place in it. */
export interface TreePart {
  readonly offset: number;
  readonly words: Uint32Array<ArrayBuffer>;
}

/**
 * What makes a `Tree` a chain: the root and the tokens behind it, one below the other. All are worth the same, so that rerank takes
 * them from the top.
 */
export function encodeChain(shape: RoundShape, tokens: readonly number[]): readonly TreePart[] {
  const nodes = new Uint32Array(nodeWords * tokens.length);
  for (const [depth, token] of tokens.entries()) {
    nodes.set([token, depth === 0 ? noNode : depth - 1, depth, 0, 0], nodeWords * depth);
  }
  return [
    { offset: 0, words: Uint32Array.of(tokens.length, tokens.length - 1) },
    { offset: nodesOffset(shape), words: nodes },
  ];
}

/** 32-bit words of an `Outcome`: what is read of one sequence per round. */
export function outcomeWords(shape: RoundShape): number {
  return 8 + 2 * pathLength(shape) + 2 * shape.rows;
}

/** An outcome of one sequence that says nothing but which rows were accepted, and where they lie. */
export function encodePath(shape: RoundShape, base: number, path: ArrayLike<number>): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(outcomeWords(shape));
  words[1] = path.length;
  words[5] = base;
  words.set(path, 8 + pathLength(shape));
  return words;
}

/** What one round did to a sequence. */
export interface RoundOutcome {
  /** Rounds that changed the sequence, this one included. */
  readonly round: number;
  /** Committed tokens after it. */
  readonly length: number;
  /** Tokens since the request began. */
  readonly emitted: number;
  /** Nodes of the draft tree, root included. */
  readonly drafted: number;
  readonly finishReason?: FinishReason;
  /** The verified rows. */
  readonly rows: TokenRows;
  readonly accepted: AcceptedPath;
  /** What the head said of each row; the root's means nothing. */
  readonly claims: readonly Claim[];
}

/** Reads a sequence's outcome; undefined where it had finished before the round. */
export function decodeOutcome(words: Uint32Array, shape: RoundShape, sequence: number): RoundOutcome | undefined {
  const size = outcomeWords(shape);
  const own = words.subarray(sequence * size, (sequence + 1) * size);
  const [round, count, finished, length, emitted, , rows, drafted] = own;
  if (count === 0) return undefined;
  const longest = pathLength(shape);
  const tree = own.subarray(8 + 2 * longest, 8 + 2 * longest + rows!);
  const claims = own.subarray(8 + 2 * longest + shape.rows).subarray(0, rows!);
  const finishReason = finishReasons[finished!];
  return {
    round: round!,
    length: length!,
    emitted: emitted!,
    drafted: drafted!,
    ...(finishReason === undefined ? {} : { finishReason }),
    rows: {
      tokens: Int32Array.from(tree, (node) => node & 0xffffff),
      parents: Int32Array.from(tree, (node, row) => (row === 0 ? -1 : node >>> 24)),
    },
    accepted: {
      tokens: [...own.subarray(8, 8 + count!)],
      path: [...own.subarray(8 + longest, 8 + longest + count!)],
      ended: finishReason === "end",
    },
    claims: Array.from(claims, (claim) => ({ cell: claim >>> 24, raw: (claim & 0xffffff) / 2 ** 24 })),
  };
}
