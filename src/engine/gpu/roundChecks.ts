import { isDeepStrictEqual } from "node:util";
import { headCells } from "../decoding/calibration.ts";
import { greedy, type SamplingOptions } from "../decoding/sampling.ts";
import { DraftTree, draftSources } from "../decoding/tree.ts";
import { accept, moveAccepted } from "./acceptReference.ts";
import { type Check, type Fault, sameBits } from "./check.ts";
import type { KernelCompiler } from "./kernels.ts";
import { randomNumbers, randomWords } from "./randomOperands.ts";
import type { RoundPlan } from "./roundKernels.ts";
import {
  decodeOutcome,
  encodeRow,
  noNode,
  noSlot,
  type RoundShape,
  rowWords,
  type SequenceStart,
} from "./roundLayout.ts";
import { RoundTrial } from "./roundTrial.ts";
import { chooseToken } from "./samplingReference.ts";
import { type Candidate, isPadding, ReferenceTree, rerank } from "./treeReference.ts";

/** A whole tile of logits and part of another. */
const vocabulary = 5000;
const cache = { layers: 2, slots: 450, width: 67 };
const length = 37;
/** One for each sequence. */
const samplers: readonly SamplingOptions[] = [
  greedy,
  { temperature: 1, topK: 0, topP: 1, seed: 1 },
  { temperature: 0.8, topK: 20, topP: 0.95, seed: 2 ** 40 + 77 },
];

/** What a round does between the forwards: all of it in integers, or in sums that never round. */
export function roundChecks(compiler: KernelCompiler): Check[] {
  const jakiro: RoundShape = { sequences: samplers.length, rows: 9, branching: 4, levels: 3, branches: 1 };
  const star: RoundShape = { sequences: 2, rows: 9, branching: 3, levels: 2, branches: 2 };
  const check = (kernel: string, shape: RoundShape, look: (round: RoundTrial) => Promise<Fault[]>): Check => ({
    kernel,
    run: async () => {
      const plan: RoundPlan = { shape, vocabulary, draftVocabulary: 40, parallel: shape.branches === 1, cache };
      const round = await RoundTrial.create(compiler, plan);
      try {
        return await look(round);
      } finally {
        round.release();
      }
    },
  });
  return [
    check("plantTree", jakiro, plantedTrees),
    check("growTree", jakiro, grownTrees),
    check("growTree", star, grownTrees),
    check("rerank", jakiro, chosenRows),
    check("chooseTokens", jakiro, chosenTokens),
    check("accept", jakiro, acceptedPaths),
    check("moveAccepted", jakiro, movedKeys),
    check("stillGoing", jakiro, endOfTexts),
  ];
}

function startOf(round: RoundTrial, sequence: number, more: Partial<SequenceStart> = {}): SequenceStart {
  const start: SequenceStart = {
    region: 150 * sequence + 5,
    capacity: 130,
    headRegion: 200 * sequence + 24,
    nodes: round.plan.shape.rows,
    tokenLimit: 100,
    sampling: greedy,
    endTokens: new Set([8]),
    length,
    root: 3 + sequence,
    ...more,
  };
  round.start(sequence, start);
  return start;
}

async function plantedTrees(round: RoundTrial): Promise<Fault[]> {
  const starts = sequencesOf(round).map((s) => startOf(round, s));
  round.run(round.dispatches.plant);
  const trees = await Promise.all(starts.map((_, s) => round.tree(s)));
  return unlike(
    trees.map(({ size, level, nodes }) => ({ size, level, nodes })),
    starts.map(({ root }) => ({
      size: 1,
      level: 0,
      nodes: [{ token: root, parent: noNode, depth: 0, value: 0, claim: 0 }],
    })),
    "trees",
  );
}

/** Every level of a tree; candidates are eighths, so that sums are exact and ties common. */
async function grownTrees(round: RoundTrial): Promise<Fault[]> {
  const { shape, parallel } = round.plan;
  const { sequences, branching, branches } = shape;
  const random = randomNumbers(81);
  const starts = sequencesOf(round).map((s) => startOf(round, s));
  round.trial.write(round.buffers.offsets, new Float32Array(sequences * headCells));
  const trees = starts.map(({ root }) => new ReferenceTree(root, branching, ([, logProbability]) => logProbability));
  const faults: Fault[] = [];
  const forwards = shape.levels - Number(parallel);
  for (let forward = 1; forward <= forwards; forward++) {
    const nodes = forward === 1 ? 1 : branching;
    const last = forward === forwards;
    const lists = Array.from({ length: last && parallel ? 2 : branches }, () =>
      starts.map(() => Array.from({ length: nodes }, () => someCandidates(random, branching))),
    );
    round.writeCandidates(lists.flat(2));
    round.run(round.dispatches.grow(forward, last));
    for (const [s, tree] of trees.entries()) {
      tree.grow(lists.slice(0, branches).map((list) => list[s]!));
      if (last && parallel) {
        tree.growParallel(lists[1]![s]!);
        continue;
      }
      const rows = await round.rows(round.buffers.levels, s, branching);
      const expected = tree.headRows({ ...starts[s]!, sequence: s }, sequences, nodes);
      faults.push(
        ...unlike(
          rows.map(({ path: _, ...row }) => row),
          expected,
          `rows of level ${forward}`,
        ),
      );
    }
  }
  for (const [s, tree] of trees.entries()) {
    const { nodes } = await round.tree(s);
    const found = nodes.map(({ token, parent, depth, value }, i) =>
      parent === noNode && i > 0 ? undefined : { token, parent: parent | 0, depth, value },
    );
    const wanted = tree.nodes.map((node, i) => (node.parent < 0 && i > 0 ? undefined : node));
    faults.push(...unlike(found, wanted, "nodes"));
  }
  return faults;
}

/** Candidates of one row, best first. */
function someCandidates(random: () => number, count: number): Candidate[] {
  const logs = Array.from({ length: count }, () => -Math.floor(random() * 12) / 8).sort((a, b) => b - a);
  const first = Math.floor(random() * 5);
  return logs.map((log, i) => [first + 3 * i, log] as const);
}

/** A tree with few different tokens, so that draws meet its nodes; a node's children differ. */
function someTree(random: () => number, root: number, { rows, levels }: RoundShape): DraftTree {
  const tree = new DraftTree(root);
  for (let tries = 0; tries < 40 * rows && tree.size < 2 * rows; tries++) {
    const parent = Math.floor(random() ** 2 * tree.size);
    const token = Math.floor(random() * 9);
    if (tree.depth(parent) < levels) tree.add(parent, token, -Math.floor(random() * 9) / 8, draftSources.head);
  }
  return tree;
}

async function chosenRows(round: RoundTrial): Promise<Fault[]> {
  const { shape } = round.plan;
  const random = randomNumbers(82);
  const starts = sequencesOf(round).map((s) => startOf(round, s, s === 0 ? {} : { nodes: 4 }));
  const trees = starts.map(({ root }) => someTree(random, root, shape));
  for (const [s, tree] of trees.entries()) round.writeTree(s, tree);
  round.run(round.dispatches.verify);
  const faults: Fault[] = [];
  for (const [s, tree] of trees.entries()) {
    const rows = await round.rows(round.buffers.verification, s, shape.rows);
    const wanted = rerank(ReferenceTree.of(tree), starts[s]!.nodes, { ...starts[s]!, sequence: s }, shape.rows);
    const found = rows.filter((row) => !isPadding(row)).map(({ path: _, ...row }) => row);
    faults.push(
      ...unlike(
        found,
        wanted.map(({ node: _, ...row }) => row),
        "rows",
      ),
    );
  }
  return faults;
}

/** Each sampler on a row with many equal logits and on one that begins with what is no number; the other rows are padding. */
async function chosenTokens(round: RoundTrial): Promise<Fault[]> {
  const { sequences, rows } = round.plan.shape;
  const random = randomNumbers(83);
  const wanted: number[] = [];
  for (let row = 0; row < sequences * rows; row++) {
    const sequence = Math.floor(row / rows);
    const sampling = samplers[sequence]!;
    startOf(round, sequence, { sampling });
    const [even, used] = [row % rows === 0, row % rows < 2];
    const place = { token: 0, position: 50 + row, region: 0, contiguous: 0, path: 0, sequence, parent: -1 };
    const words = encodeRow({ ...place, slot: used ? row : noSlot });
    round.trial.write(round.buffers.verification.rows, words, row * rowWords);
    if (!used) {
      wanted.push(0);
      continue;
    }
    const logits = Float32Array.from({ length: vocabulary }, (_, id) =>
      id % 4 === 0 ? Math.round(random() * 12) - 2 : (random() - 0.3) * 12,
    );
    if (!even) logits.fill(Number.NaN, 0, 600).fill(Number.NEGATIVE_INFINITY, 600, 3900);
    round.trial.write(round.inputs.logits, logits, row * vocabulary);
    wanted.push(chooseToken(logits, sampling, 51 + row));
  }
  round.run(...round.dispatches.choose(0, sequences * rows));
  return unlike([...(await round.trial.read(round.buffers.chosen))], wanted, "tokens");
}

/** Trees whose draws follow each node's last child: paths that move keys, past other rows with the same token. */
function verifiedTrees(round: RoundTrial) {
  const { shape } = round.plan;
  const random = randomNumbers(84);
  return sequencesOf(round).map((s) => {
    const start = startOf(round, s, s === 0 ? {} : { tokenLimit: 3 });
    const tree = someTree(random, start.root, shape);
    round.writeTree(s, tree);
    const rows = tree.rerank(shape.rows);
    const chosen = Uint32Array.from({ length: shape.rows }, (_, row) => {
      const child = rows.parents.lastIndexOf(row);
      return child < 0 ? Math.floor(random() * 8) : rows.tokens[child]!;
    });
    round.trial.write(round.buffers.chosen, chosen, s * shape.rows);
    return { start, rows, chosen };
  });
}

async function acceptedPaths(round: RoundTrial): Promise<Fault[]> {
  const { shape } = round.plan;
  const trees = verifiedTrees(round);
  round.run(round.dispatches.verify, ...round.dispatches.accept);
  const outcomes = await round.trial.read(round.buffers.outcomes);
  const faults: Fault[] = [];
  for (const [s, { start, rows, chosen }] of trees.entries()) {
    const {
      root: _,
      path,
      tokens,
      finishReason,
      ...state
    } = accept(rows, chosen, start, { length, root: start.root, emitted: 0 });
    const found = decodeOutcome(outcomes, shape, s);
    const wanted = { path, tokens, finishReason, rows: [...rows.tokens], parents: [...rows.parents], ...state };
    faults.push(
      ...unlike(
        found && {
          path: found.accepted.path,
          tokens: found.accepted.tokens,
          finishReason: found.finishReason,
          rows: [...(found.rows.tokens as Int32Array)],
          parents: [...(found.rows.parents as Int32Array)],
          length: found.length,
          emitted: found.emitted,
        },
        wanted,
        "outcomes",
      ),
    );
    const head = (await round.rows(round.buffers.first, s, shape.levels + 1)).filter((row) => !isPadding(row));
    const next = finishReason === undefined ? tokens : [];
    faults.push(
      ...unlike(
        head.map(({ token, position, slot }) => ({ token, position, slot })),
        next.map((token, i) => ({ token, position: length + i, slot: start.headRegion + length + i })),
        "rows of the next draft",
      ),
    );
  }
  return faults;
}

async function movedKeys(round: RoundTrial): Promise<Fault[]> {
  const { shape } = round.plan;
  const trees = verifiedTrees(round);
  const words = randomWords(cache.layers * 2 * cache.slots * cache.width, 85);
  round.trial.write(round.inputs.cache, words);
  round.run(round.dispatches.verify, ...round.dispatches.accept);
  const outcomes = await round.trial.read(round.buffers.outcomes);
  const moves = trees.map(({ start }, s) => {
    return { base: start.region + length, path: decodeOutcome(outcomes, shape, s)?.accepted.path ?? [] };
  });
  const moved = await round.trial.read(round.inputs.cache);
  return sameBits(moved, moveAccepted(words, cache, moves))
    ? []
    : [{ fault: "values", message: "keys and values are not where they belong" }];
}

/** Whether products of the next round would run, while a text goes on and once all have ended. */
async function endOfTexts(round: RoundTrial): Promise<Fault[]> {
  const { buffers, trial, dispatches } = round;
  const faults: Fault[] = [];
  for (const ending of [0, samplers.length]) {
    verifiedTrees(round);
    for (const s of sequencesOf(round).slice(0, ending)) startOf(round, s, { tokenLimit: 1 });
    trial.write(buffers.going, Uint32Array.of(ending === 0 ? 0 : 1));
    round.run(dispatches.verify, ...dispatches.accept);
    const [going] = await trial.read(buffers.going);
    faults.push(...unlike(going, Number(ending === 0), "the word that products read"));
  }
  return faults;
}

function sequencesOf({ plan }: RoundTrial): number[] {
  return Array.from({ length: plan.shape.sequences }, (_, s) => s);
}

function unlike(found: unknown, wanted: unknown, what: string): Fault[] {
  if (isDeepStrictEqual(found, wanted)) return [];
  return [{ fault: "values", message: `${what} are not those of the reference` }];
}
