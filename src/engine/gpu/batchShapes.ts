import { draftForwards } from "../decoding/draftHead.ts";
import { isPlain, type Ladder, plainRung, type Rung } from "../decoding/ladder.ts";
import { type TreeSizes, usualShape } from "../decoding/strategy.ts";
import type { HeadKind } from "../model/headKinds.ts";
import { mostRows } from "./forwardBuffers.ts";
import { mostBranching, pathLength, type RoundShape } from "./roundLayout.ts";

/** Levels of the deepest tree that a head's regions have room for. */
export const deepestTree = 16;
/** Rows of a text's tree in rounds that several share; which of them pay is measured. */
const sharedNodes = [4, 8, 16];

/** What the rounds of a single sequence have room for: all rungs of its ladder. */
export function ladderShape(kind: HeadKind | undefined, { rungs, branching, chain }: Ladder): RoundShape {
  const held = rungs.map(clamped);
  return {
    sequences: 1,
    rows: Math.max(...held.map(({ rows }) => rows)),
    branching: kind === undefined ? 1 : Math.min(branching, mostBranching),
    levels: Math.max(...held.map(({ levels }) => levels)),
    branches: kind === "jakiro-star" ? 2 : 1,
    chain,
  };
}

/** As much of a rung as sequences have room for; of its forwards, the last one may draft two levels. */
export function clamped({ rows, levels, draftForwards }: Rung): Rung {
  const fewer = Math.max(0, levels - deepestTree);
  return { rows: Math.min(rows, mostRows), levels: levels - fewer, draftForwards: draftForwards - fewer };
}

/**
 * The rounds that several sequences may share, smallest first: plain ones where the ladder has them, and trees that all find room in
 * one forward. Sizes that somebody fixed stay as they are; empty where so many of them have no room.
 */
export function sharedShapes(kind: HeadKind | undefined, { rungs, sizes }: Ladder, sequences: number): RoundShape[] {
  const isPlainToo = kind === undefined || rungs.some(isPlain);
  const plain = isPlainToo && sequences <= mostRows ? [plainShape(sequences)] : [];
  if (kind === undefined) return plain;
  const trees = (sizes.nodes === undefined ? sharedNodes : [sizes.nodes]).map((nodes) =>
    treeShape(kind, nodes, sizes, sequences),
  );
  return [...plain, ...trees.filter((shape) => shape !== undefined)];
}

function plainShape(sequences: number): RoundShape {
  return { sequences, rows: 1, branching: 1, levels: 0, branches: 1 };
}

/** Undefined where so many trees have no room. */
function treeShape(
  kind: HeadKind,
  nodes: number,
  { depth, branching }: TreeSizes,
  sequences: number,
): RoundShape | undefined {
  const usual = usualShape(nodes);
  // A tree of few nodes is neither deeper nor wider than they reach.
  const drafted = nodes - 1;
  const shape: RoundShape = {
    sequences,
    rows: nodes,
    branching: Math.min(branching ?? Math.min(usual.branching, drafted), mostBranching),
    levels: Math.min(depth ?? Math.min(usual.depth, drafted), deepestTree),
    branches: kind === "jakiro-star" ? 2 : 1,
  };
  const widest = Math.max(nodes, shape.branching, pathLength(shape));
  return sequences * widest <= mostRows ? shape : undefined;
}

/** The round that uses all the room of a shape. */
export function fullestRung(kind: HeadKind | undefined, { rows, levels }: RoundShape): Rung {
  if (kind === undefined || levels === 0) return plainRung;
  return { rows, levels, draftForwards: draftForwards(kind, levels) };
}
