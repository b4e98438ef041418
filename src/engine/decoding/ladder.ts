import type { HeadKind } from "../model/headKinds.ts";
import { draftForwards } from "./draftHead.ts";
import type { Method } from "./method.ts";
import { type TreeSizes, usualShape } from "./strategy.ts";

/** One kind of round that a device holds ready: plain decoding, a head's tree of one size, or a chain of known text. */
export interface Rung {
  /** Rows of the verification, root included. */
  readonly rows: number;
  /** Levels that the head drafts; 0 where it does not. */
  readonly levels: number;
  /** Forwards of the head in which it does. */
  readonly draftForwards: number;
}

/** What a device is to hold ready for a sequence. */
export interface Ladder {
  readonly rungs: readonly Rung[];
  /** Children per expanded node of a head's tree, and nodes expanded per level. */
  readonly branching: number;
  /** Most tokens of a chain of known text; 0 for none. */
  readonly chain: number;
  /** Sizes that a user fixed: they hold for rounds that several texts share, too. */
  readonly sizes: TreeSizes;
}

/** The round that drafts nothing. */
export const plainRung: Rung = { rows: 1, levels: 0, draftForwards: 0 };

/** Whether a rung's rounds are those of `plainRung`. */
export function isPlain({ rows, levels }: Rung): boolean {
  return rows === 1 && levels === 0;
}

/** Most tokens that a round of a rung may accept. */
export function longestPath({ rows, levels }: Rung): number {
  return levels === 0 ? rows : Math.min(rows, levels + 1);
}

/** Rows of a head's trees and how deep they are drafted: a device's products take rows in tiles, which are filled here. */
const trees: readonly (readonly [rows: number, levels: readonly number[]])[] = [
  [4, [2, 3]],
  [8, [3, 5]],
  [16, [4, 6]],
  [32, [5, 7]],
  [60, [6, 7]],
];
/** One tile of rows for every level of a draft. */
const usualBranching = 8;
const longestChainRows = 32;
const chainRows = [4, 8, 16, longestChainRows];

/** The rounds that a method may need; sizes that a user fixed leave one tree. */
export function ladderOf(method: Method, head: HeadKind | undefined, sizes: TreeSizes): Ladder {
  const { nodes, depth, branching } = sizes;
  const usesLookup = method === "auto" || method === "lookup";
  const tree = (kind: HeadKind, rows: number, levels: number): Rung => ({
    rows,
    levels,
    draftForwards: draftForwards(kind, levels),
  });
  const headRungs = (kind: HeadKind): readonly Rung[] => {
    if (nodes !== undefined) return [tree(kind, nodes, depth ?? usualShape(nodes).depth)];
    return trees.flatMap(([rows, levels]) =>
      (depth === undefined ? levels : [depth]).map((each) => tree(kind, rows, each)),
    );
  };
  const mostChainRows = Math.min(longestChainRows, (depth ?? longestChainRows) + 1);
  const fittingRows = (nodes === undefined ? chainRows : [nodes]).map((rows) => Math.min(rows, mostChainRows));
  const chains = usesLookup ? [...new Set(fittingRows)] : [];
  return {
    rungs: [
      // Only `auto` may leave the head out.
      ...(head === undefined || method === "auto" ? [plainRung] : []),
      ...chains.filter((rows) => rows > 1).map((rows) => ({ ...plainRung, rows })),
      ...(head === undefined ? [] : headRungs(head)),
    ],
    branching: branching ?? (nodes === undefined ? usualBranching : usualShape(nodes).branching),
    chain: Math.max(0, ...chains.map((rows) => rows - 1)),
    sizes,
  };
}
