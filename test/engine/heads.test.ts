import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CpuHead } from "../../src/engine/cpu/cpuHead.ts";
import { Calibration } from "../../src/engine/decoding/calibration.ts";
import type { DraftHead, HeadOutputs, HeadRows } from "../../src/engine/decoding/draftHead.ts";
import { HeadDrafter } from "../../src/engine/decoding/headDrafter.ts";
import { DraftTree } from "../../src/engine/decoding/tree.ts";
import { assertClose, assertSameBits, normal } from "../unit/cpu/numbers.ts";
import { readJson } from "../unit/model/fixtures.ts";
import { fixtureTarget, headFolder, headNames, loadHead, readTensors } from "./headFixtures.ts";
import { randomTokens } from "./scratchTarget.ts";

/** A round of drafting: rows in, tree out (make_head_fixtures.py). */
interface GoldenRound {
  readonly next_tokens: readonly number[];
  readonly features: readonly (readonly number[])[];
  readonly depth: number;
  readonly branching: number;
  readonly nodes: number;
  readonly tokens: readonly number[];
  readonly parents: readonly number[];
  readonly values: readonly number[];
  readonly draft_forwards: number;
}

const target = fixtureTarget();
const { hidden, vocabulary } = target.config;

function rowsOf(tokens: ArrayLike<number>, features: Float32Array, first = 0): HeadRows {
  const order = Array.from({ length: tokens.length }, (_, i) => i);
  return { tokens, features, positions: order.map((i) => first + i), outputRows: order };
}

/** Every output of a head, by name. */
function outputsOf({ mixture, contrast, branches }: HeadOutputs): [string, Float32Array][] {
  return [
    ["y1", mixture],
    ...(contrast === undefined ? [] : [["y2", contrast] as [string, Float32Array]]),
    ...(branches ?? []).map((branch, i): [string, Float32Array] => [`branch_${i}`, branch]),
  ];
}

describe("draft heads", () => {
  let root: string;
  const loaded: CpuHead[] = [];
  before(() => {
    root = mkdtempSync(join(tmpdir(), "jakiro-"));
  });
  after(async () => {
    for (const head of loaded) await head.release();
    rmSync(root, { recursive: true });
  });

  async function open(name: string, format: "float32" | "int8", smoothing?: Float32Array): Promise<CpuHead> {
    const folder = smoothing === undefined ? root : join(root, "smoothed");
    const head = await loadHead(join(headFolder, name), target, format, folder, smoothing);
    loaded.push(head);
    return head;
  }

  for (const name of headNames) {
    describe(name, () => {
      const golden = readTensors(join(headFolder, name, "golden.safetensors"));
      const features = golden.get("features")!.values;
      const nextTokens = golden.get("next_tokens")!.values;
      const rounds = readJson<GoldenRound[]>("heads", name, "trees.json");

      it("gives the outputs that PyTorch gives", async () => {
        const head = (await open(name, "float32")).sequence();
        const found = outputsOf(await head.append(rowsOf(nextTokens, features)));
        assert.equal(found.length, { jakiro: 2, "jakiro-star": 3, eagle: 1 }[head.kind]);
        for (const [output, values] of found) assertClose(values, golden.get(output)!.values, 1e-4, output);
      });

      it("ranks the draft vocabulary as PyTorch does", async () => {
        const head = (await open(name, "float32")).sequence();
        const { shape, values } = golden.get("draft_logits")!;
        const [rows, count] = shape as [number, number];
        assert.equal(head.vocabulary, count);
        const d2t = readTensors(join(headFolder, name, "model.safetensors")).get("d2t")!.values;
        const candidates = await head.candidates(golden.get("y1")!.values, count + 5);
        assert.equal(candidates.count, count);
        for (let row = 0; row < rows; row++) {
          const logits = [...values.subarray(row * count, (row + 1) * count)];
          const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
          const order = logits.map((_, i) => i).sort((a, b) => logits[b]! - logits[a]!);
          const tokens = [...candidates.tokens.subarray(row * count, (row + 1) * count)];
          assert.deepEqual(
            tokens,
            order.map((i) => d2t[i]!),
          );
          const found = candidates.logProbabilities.subarray(row * count, (row + 1) * count);
          assertClose(
            found,
            order.map((i) => logits[i]! - total),
            1e-4,
            `row ${row}`,
          );
        }
      });

      it("grows the trees that the reference grows", async () => {
        const head = (await open(name, "float32")).sequence();
        const drafter = new HeadDrafter(head, new Calibration());
        let committed = [0];
        for (const [i, round] of rounds.entries()) {
          // Each row's feature belongs to the token before the one it is paired with; the last token is the root.
          const root = round.next_tokens.at(-1)!;
          drafter.extend([...committed, ...round.next_tokens.slice(0, -1)], Float32Array.from(round.features.flat()));
          committed = [root];
          const tree = new DraftTree(root);
          const { depth, branching, nodes } = round;
          assert.equal(await drafter.draft(tree, { depth, branching }), round.draft_forwards, `round ${i}`);
          const rows = tree.rerank(nodes);
          assert.deepEqual([...rows.tokens], round.tokens, `round ${i}`);
          assert.deepEqual([...rows.parents], round.parents, `round ${i}`);
          assertClose(
            [...rows.nodes].map((node) => tree.value(node)),
            round.values,
            1e-3,
            `values of round ${i}`,
          );
        }
      });

      it("comes close in int8, whatever size features have", async () => {
        const smoothing = normal(hidden, 4).map((value) => Math.exp(value));
        for (const divisors of [undefined, smoothing]) {
          const head = (await open(name, "int8", divisors)).sequence();
          for (const [output, values] of outputsOf(await head.append(rowsOf(nextTokens, features)))) {
            const expected = golden.get(output)!.values;
            const error = Math.hypot(...expected.map((value, i) => value - values[i]!)) / Math.hypot(...expected);
            assert.ok(error < 0.05, `${output} is off by ${error}`);
          }
        }
      });

      describe("explores as it appends", () => {
        const tokens = randomTokens(12, vocabulary, 8);
        const given = normal(12 * hidden, 9);
        const slice = (first: number, end: number) => given.subarray(first * hidden, end * hidden);
        /** Bits of row 11 after 0 .. 10 were appended at once. */
        let expected: [string, Float32Array][];
        let shared: CpuHead;
        before(async () => {
          shared = await open(name, "int8");
          const head = shared.sequence();
          await head.append(rowsOf(tokens.slice(0, 11), slice(0, 11)));
          expected = outputsOf(await head.append(rowsOf(tokens.slice(11), slice(11, 12), 11)));
        });

        function assertExpected(outputs: HeadOutputs, row: number, what: string): void {
          for (const [i, [output, values]] of outputsOf(outputs).entries()) {
            assertSameBits(values.slice(row * hidden, (row + 1) * hidden), expected[i]![1], `${output}, ${what}`);
          }
        }

        async function appendAll(head: DraftHead, end: number, chunk: number): Promise<HeadOutputs> {
          for (;;) {
            const first = head.length;
            const last = Math.min(first + chunk, end);
            const outputs = await head.append(rowsOf(tokens.slice(first, last), slice(first, last), first));
            if (last === end) return outputs;
          }
        }

        it("in whatever chunks, and after a trim", async () => {
          for (const chunk of [1, 5, 12]) {
            const head = shared.sequence();
            const outputs = await appendAll(head, 12, chunk);
            assertExpected(outputs, outputs.mixture.length / hidden - 1, `chunks of ${chunk}`);
            await head.append(rowsOf([1, 2, 3], normal(3 * hidden, 1), 12));
            head.trim(7);
            const again = await appendAll(head, 12, 3);
            assertExpected(again, again.mixture.length / hidden - 1, "after a trim");
          }
        });

        it("along a path among strangers", async () => {
          const head = shared.sequence();
          await appendAll(head, 8, 8);
          // Rows 8 .. 11 one level at a time, each with a stranger before and behind it; the head keeps none of them.
          for (const _ of [1, 2]) {
            const lineage: number[] = [];
            let outputs: HeadOutputs | undefined;
            for (let depth = 0; depth < 4; depth++) {
              const features = new Float32Array(3 * hidden);
              features.set(normal(hidden, 30 + depth), 0);
              features.set(slice(8 + depth, 9 + depth), hidden);
              features.set(normal(hidden, 40 + depth), 2 * hidden);
              const positions = Array(3).fill(8 + depth);
              const rows = { tokens: [5, tokens[8 + depth]!, 6], features, positions, outputRows: [0, 1, 2] };
              outputs = await head.explore(rows, [lineage.slice(0, 1), [...lineage], []]);
              lineage.push(3 * depth + 1);
            }
            assertExpected(outputs!, 1, "among strangers");
            assert.equal(head.length, 8);
            head.trim(8);
          }
          const appended = await appendAll(head, 12, 4);
          assertExpected(appended, 3, "after exploring");
        });

        it("over the edge of a bucket", async () => {
          const long = randomTokens(70, vocabulary, 10);
          const wide = normal(70 * hidden, 11);
          const appended = shared.sequence();
          const whole = outputsOf(await appended.append(rowsOf(long, wide)));
          const head = shared.sequence();
          await head.append(rowsOf(long.slice(0, 62), wide.subarray(0, 62 * hidden)));
          for (let row = 62; row < 70; row++) {
            const rows = rowsOf([long[row]!], wide.subarray(row * hidden, (row + 1) * hidden), row);
            const ancestors = Array.from({ length: row - 62 }, (_, i) => i);
            for (const [i, [output, values]] of outputsOf(await head.explore(rows, [ancestors])).entries()) {
              const own = whole[i]![1].slice(row * hidden, (row + 1) * hidden);
              assertSameBits(values, own, `${output} of row ${row}`);
            }
          }
        });
      });
    });
  }
});
