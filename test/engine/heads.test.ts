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

      /** Drafts all rounds and returns each one's tree, reranked, and its number of draft forwards. */
      async function draftRounds(wrongParentRows = false) {
        const head = (await open(name, "float32")).sequence();
        const drafter = new HeadDrafter(head, new Calibration());
        drafter.wrongParentRows = wrongParentRows;
        let committed = 0;
        const drafts = [];
        for (const { next_tokens, features, depth, branching, nodes } of rounds) {
          // Each row's feature belongs to the token before the one it is paired with; the last token is the root.
          const root = next_tokens.at(-1)!;
          drafter.extend([committed, ...next_tokens.slice(0, -1)], Float32Array.from(features.flat()));
          committed = root;
          const tree = new DraftTree(root);
          const forwards = await drafter.draft(tree, { depth, branching });
          const rows = tree.rerank(nodes);
          const values = [...rows.nodes].map((node) => tree.value(node));
          drafts.push({ tokens: [...rows.tokens], parents: [...rows.parents], values, forwards });
        }
        return drafts;
      }

      it("grows the trees that the reference grows", async () => {
        const drafts = await draftRounds();
        assert.ok(rounds.length > 1);
        for (const [i, round] of rounds.entries()) {
          const { tokens, parents, values, forwards } = drafts[i]!;
          assert.deepEqual(tokens, round.tokens, `round ${i}`);
          assert.deepEqual(parents, round.parents, `round ${i}`);
          assertClose(values, round.values, 1e-3, `values of round ${i}`);
          assert.equal(forwards, round.draft_forwards, `round ${i}`);
        }
      });

      it("drafts after a trim, a repetition and other text as if it had never seen them", async () => {
        const { depth, branching } = rounds[0]!;
        const shared = await open(name, "int8");
        const tokens = randomTokens(40, vocabulary, 20);
        const given = normal(40 * hidden, 21);
        const extend = (drafter: HeadDrafter, first: number, end: number) =>
          drafter.extend(tokens.slice(first, end), given.subarray(first * hidden, end * hidden));
        const treeAt = async (drafter: HeadDrafter, root: number) => {
          const tree = new DraftTree(root);
          await drafter.draft(tree, { depth, branching });
          return Array.from({ length: tree.size }, (_, node) => [
            tree.parent(node),
            tree.token(node),
            tree.value(node),
          ]);
        };
        const fresh = new HeadDrafter(shared.sequence(), new Calibration());
        extend(fresh, 0, 30);
        const expected = await treeAt(fresh, 5);
        assert.deepEqual(await treeAt(fresh, 5), expected, "the same round again");
        assert.notDeepEqual(await treeAt(fresh, 6), expected, "another root");
        assert.deepEqual(await treeAt(fresh, 5), expected, "after another root");

        for (const kept of [30, 29, 12, 1, 0]) {
          const used = new HeadDrafter(shared.sequence(), new Calibration());
          extend(used, 0, kept);
          const others = randomTokens(8, vocabulary, 100 + kept);
          if (kept > 0) await treeAt(used, others[0]!);
          used.extend(others, normal(8 * hidden, 100 + kept));
          await treeAt(used, 9);
          used.trim(kept);
          extend(used, kept, 30);
          assert.deepEqual(await treeAt(used, 5), expected, `${kept} tokens kept`);
        }
      });

      if (name === "jakiro") {
        it("grows other trees where the parallel level takes the wrong rows", async () => {
          const drafts = await draftRounds(true);
          assert.ok(drafts.some(({ tokens }, i) => tokens.join() !== rounds[i]!.tokens.join()));
        });
      }

      it("gives them as well where its reading of features is smoothed, and closely in int8", async () => {
        const smoothing = normal(hidden, 4).map((value) => Math.exp(value));
        const smoothed = (await open(name, "float32", smoothing)).sequence();
        for (const [output, values] of outputsOf(await smoothed.append(rowsOf(nextTokens, features)))) {
          assertClose(values, golden.get(output)!.values, 1e-4, `${output}, smoothed`);
        }
        const int8 = (await open(name, "int8")).sequence();
        for (const [output, values] of outputsOf(await int8.append(rowsOf(nextTokens, features)))) {
          const expected = golden.get(output)!.values;
          const error = Math.hypot(...expected.map((value, i) => value - values[i]!)) / Math.hypot(...expected);
          assert.ok(error > 1e-4 && error < 0.05, `${output} is off by ${error}`);
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
