import assert from "node:assert/strict";
import { Calibration, headCells, headClaim } from "../../src/engine/decoding/calibration.ts";
import { DraftTree, draftSources, type Frontier } from "../../src/engine/decoding/tree.ts";
import { finishedByHost, noNode, noToken, type RoundShape } from "../../src/engine/gpu/roundLayout.ts";
import { type DeviceTree, RoundTrial } from "../../src/engine/gpu/roundTrial.ts";
import { type Candidate, isPadding, ReferenceTree } from "../../src/engine/gpu/treeReference.ts";
import { distinct, randomSource } from "./freshRandom.ts";
import { Rig } from "./rig.ts";
import { planOf, startOf } from "./sequences.ts";

/** A row's candidates, best first; few different probabilities, so that ties are common and sums are exact. */
function randomCandidates(random: () => number, branching: number): Candidate[] {
  const logs = Array.from({ length: branching }, () => -Math.floor(random() * 12) / 8).sort((a, b) => b - a);
  return distinct(random, branching, 3 * branching).map((token, i) => [token, logs[i]!] as const);
}

/** The CPU's own tree, grown as its drafter does. */
class CpuTree {
  private readonly tree = new DraftTree(1);
  private frontier: Frontier = { nodes: Int32Array.of(0), parentRows: Int32Array.of(0) };

  constructor(private readonly branching: number) {}

  grow(lists: readonly (readonly (readonly Candidate[])[])[]): void {
    for (const list of lists) this.add((i) => list[i]!);
    this.frontier = this.tree.nextFrontier(this.frontier.nodes, this.branching);
  }

  growParallel(rows: readonly (readonly Candidate[])[]): void {
    const { parentRows } = this.frontier;
    this.add((i) => rows[parentRows[i]!]!);
  }

  private add(candidatesOf: (i: number) => readonly Candidate[]): void {
    for (const [i, node] of this.frontier.nodes.entries()) {
      for (const [token, value] of candidatesOf(i)) this.tree.add(node, token, value, draftSources.head);
    }
  }

  get frontierNames(): string[] {
    return Array.from(this.frontier.nodes, (node) => this.nameOf(node));
  }

  get values(): [string, number][] {
    return Array.from({ length: this.tree.size }, (_, node) => [this.nameOf(node), this.tree.value(node)]);
  }

  private nameOf(node: number): string {
    return node === 0 ? "" : `${this.nameOf(this.tree.parent(node))}/${this.tree.token(node)}`;
  }
}

/** The tokens on the way to a node, which name it however nodes are numbered. */
function nameIn({ nodes }: DeviceTree, node: number): string {
  const { token, parent } = nodes[node]!;
  return node === 0 ? "" : `${nameIn({ nodes } as DeviceTree, parent)}/${token}`;
}

describe("growTree on the GPU", () => {
  let rig: Rig;
  before(async () => {
    rig = await Rig.open();
  });
  after(() => rig.close());

  /** Grows trees of three sequences at once and checks every level against reference and CPU. */
  async function check(branching: number, levels: number, branches: 1 | 2, parallel: boolean): Promise<void> {
    const shape: RoundShape = { sequences: 3, rows: 16, branching, levels, branches };
    const random = randomSource(100 * branching + levels);
    const round = await RoundTrial.create(rig.compiler, planOf(shape, { parallel }));
    const grown = Array.from({ length: shape.sequences }, (_, sequence) => {
      const start = startOf(sequence, { length: 5 + sequence, root: 100 + sequence });
      round.start(sequence, start);
      return {
        place: { ...start, sequence },
        reference: new ReferenceTree(start.root, branching, ([, logProbability]) => logProbability),
        cpu: new CpuTree(branching),
      };
    });
    const forwards = parallel ? levels - 1 : levels;
    for (let forward = 1; forward <= forwards; forward++) {
      const nodes = forward === 1 ? 1 : branching;
      const last = forward === forwards;
      const lists = Array.from({ length: last && parallel ? 2 : branches }, () =>
        grown.map(() => Array.from({ length: nodes }, () => randomCandidates(random, branching))),
      );
      round.writeCandidates(lists.flat(2));
      round.run(round.dispatches.grow(forward, last));
      for (const [s, { place, reference, cpu }] of grown.entries()) {
        const own = lists.slice(0, branches).map((list) => list[s]!);
        reference.grow(own);
        cpu.grow(own);
        const device = await round.tree(s);
        assert.deepEqual(device.frontier, reference.frontiers.at(-1));
        assert.deepEqual(device.parentRows, [...reference.outIds]);
        assert.deepEqual(
          device.frontier.map((node) => nameIn(device, node)),
          cpu.frontierNames,
        );
        if (!last || !parallel) {
          const rows = await round.rows(round.buffers.levels, s, branching);
          assert.deepEqual(
            rows.map(({ path: _, ...row }) => row),
            reference.headRows(place, shape.sequences, nodes),
          );
          continue;
        }
        reference.growParallel(lists[1]![s]!);
        cpu.growParallel(lists[1]![s]!);
      }
    }
    for (const [s, { reference, cpu }] of grown.entries()) {
      const device = await round.tree(s);
      assert.deepEqual([device.size, device.level], [reference.nodes.length, levels]);
      const present = [...device.nodes.keys()].filter((node) => node === 0 || device.nodes[node]!.parent !== noNode);
      for (const node of present) {
        const { token, parent, depth, value } = device.nodes[node]!;
        assert.deepEqual({ token, parent: parent | 0, depth, value }, reference.nodes[node]);
      }
      const values = new Map(present.map((node) => [nameIn(device, node), device.nodes[node]!.value]));
      assert.deepEqual(values, new Map(cpu.values.sort(([a], [b]) => order(values, a) - order(values, b))));
    }
  }

  function order(values: ReadonlyMap<string, number>, name: string): number {
    return [...values.keys()].indexOf(name);
  }

  for (const [branching, levels] of [
    [1, 2],
    [1, 4],
    [2, 2],
    [3, 3],
    [7, 4],
    [10, 7],
    [16, 3],
  ] as const) {
    it(`grows ${levels} levels of ${branching}, the last one from the rows of the parents`, () =>
      check(branching, levels, 1, true));
  }
  for (const [branching, levels] of [
    [1, 1],
    [4, 1],
    [5, 4],
    [16, 8],
  ] as const) {
    it(`grows ${levels} levels of ${branching} without a parallel one`, () => check(branching, levels, 1, false));
  }
  for (const [branching, levels] of [
    [1, 3],
    [4, 3],
    [16, 2],
  ] as const) {
    it(`merges two lists of ${branching}, ${levels} levels`, () => check(branching, levels, 2, false));
  }

  it("calibrates by the sequence's own table, depth and bucket", async () => {
    const branching = 16;
    const levels = 2;
    const shape: RoundShape = { sequences: 2, rows: 8, branching, levels, branches: 1 };
    const round = await RoundTrial.create(rig.compiler, planOf(shape, { parallel: false }));
    const random = randomSource(9);
    const calibrations = Array.from({ length: 2 }, () => {
      const surplus = Array.from({ length: headCells }, () => 40 * random() - 20);
      const full = { surplus: [...surplus, ...new Array(18).fill(0)], trials: new Array(headCells + 18).fill(10) };
      return new Calibration(full);
    });
    rig.write(round.buffers.offsets, Float32Array.from(calibrations.flatMap((each) => [...each.headOffsets()])));
    assert.ok(calibrations[0]!.headOffsets().every((offset) => offset !== 0));
    for (let s = 0; s < 2; s++) round.start(s, startOf(s));
    const logs: number[][] = [];
    for (let forward = 1; forward <= levels; forward++) {
      const rows = Array.from({ length: forward === 1 ? 2 : 2 * branching }, () => {
        // Half-way between thousandths, so that rounding never decides on which side of a bucket's edge one lies.
        const raws = Array.from({ length: branching }, () => (Math.floor(1000 * random() ** 3) + 0.5) / 1000);
        raws.sort((a, b) => b - a);
        logs.push(raws.map((raw) => Math.fround(Math.log(raw))));
        return logs.at(-1)!.map((log, i) => [i, log] as const);
      });
      round.writeCandidates(rows);
      round.run(round.dispatches.grow(forward, forward === levels));
    }
    for (const [s, calibration] of calibrations.entries()) {
      const { nodes, frontier } = await round.tree(s);
      for (let level = 1; level <= levels; level++) {
        for (let row = 0; row < (level === 1 ? 1 : branching); row++) {
          for (const [rank, log] of logs[level === 1 ? s : 2 + s * branching + row]!.entries()) {
            const first = level === 1 ? 1 : 1 + branching + row * branching;
            const { value, claim, parent } = nodes[first + rank]!;
            const expected = headClaim(Math.exp(log), level);
            assert.equal(claim >>> 24, expected.cell);
            assert.ok(Math.abs((claim & 0xffffff) / 2 ** 24 - expected.raw) < 1e-6);
            const conditional = Math.log(calibration.probability(expected));
            assert.ok(Math.abs(value - nodes[parent]!.value - conditional) < 2e-5, `${value} and ${conditional}`);
            assert.ok(value <= nodes[parent]!.value);
          }
        }
      }
      const children = [...nodes.keys()].slice(1 + branching);
      const best = children.sort((a, b) => nodes[b]!.value - nodes[a]!.value || a - b).slice(0, branching);
      assert.deepEqual(frontier, best);
    }
  });

  it("leaves places empty where a row has too few candidates", async () => {
    const shape: RoundShape = { sequences: 1, rows: 8, branching: 3, levels: 3, branches: 1 };
    const round = await RoundTrial.create(rig.compiler, planOf(shape, { parallel: true }));
    round.start(0, startOf(0));
    round.writeCandidates([[[4, -1]]]);
    round.run(round.dispatches.grow(1, false));
    assert.deepEqual((await round.tree(0)).frontier, [1, noNode, noNode]);
    assert.deepEqual((await round.rows(round.buffers.levels, 0, 3)).map(isPadding), [false, true, true]);
    const filler: Candidate[] = [[noToken, -1e30]];
    round.writeCandidates([[[5, -1]], filler, filler, [[6, -1]], filler, filler]);
    round.run(round.dispatches.grow(2, true));
    const { nodes, size } = await round.tree(0);
    assert.equal(size, 1 + 3 + 9 + 9);
    const present = [...nodes.keys()].filter((node) => nodes[node]!.parent !== noNode);
    assert.deepEqual(
      present.map((node) => nodes[node]!.token),
      [4, 5, 6],
    );
  });

  it("writes padding rows for a sequence that has finished and leaves its tree alone", async () => {
    const shape: RoundShape = { sequences: 2, rows: 8, branching: 3, levels: 3, branches: 1 };
    const round = await RoundTrial.create(rig.compiler, planOf(shape, { parallel: true }));
    round.start(1, startOf(1));
    round.writeCandidates(Array.from({ length: 2 }, () => randomCandidates(randomSource(1), 3)));
    const before = await round.tree(0);
    round.run(round.dispatches.grow(1, false));
    assert.equal((await rig.read(round.buffers.sequences))[30], finishedByHost);
    assert.deepEqual(await round.tree(0), before);
    assert.ok((await round.rows(round.buffers.levels, 0, 3)).every(isPadding));
    assert.ok(!(await round.rows(round.buffers.levels, 1, 3)).some(isPadding));
  });
});
