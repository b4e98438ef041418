import assert from "node:assert/strict";
import { acceptPath } from "../../../src/engine/decoding/acceptance.ts";
import { Calibration } from "../../../src/engine/decoding/calibration.ts";
import { CostModel } from "../../../src/engine/decoding/costModel.ts";
import type { Candidates, DraftHead, HeadOutputs, HeadRows } from "../../../src/engine/decoding/draftHead.ts";
import { HeadDrafter } from "../../../src/engine/decoding/headDrafter.ts";
import { Strategy, type TreeSizes } from "../../../src/engine/decoding/strategy.ts";
import { DraftTree } from "../../../src/engine/decoding/tree.ts";

/** A text in which every token follows from its position. */
const script = Array.from({ length: 200 }, (_, i) => (i * 7) % 61);
const vocabulary = 64;
/** Probabilities of a row's candidates; a row on the right path has the right token in second place, others have it nowhere. */
const probabilities = [0.3, 0.28, 0.05, 0.02];
const rightRank = 1;

/** A head that knows the text on the right path only: a hidden row is [position it stands for, 1 on the right path]. */
class SecondGuessHead implements DraftHead {
  readonly kind = "jakiro";
  readonly hidden = 2;
  readonly vocabulary = vocabulary;
  length = 0;

  async append(rows: HeadRows): Promise<HeadOutputs> {
    this.length += rows.tokens.length;
    return this.outputs(rows);
  }

  async explore(rows: HeadRows): Promise<HeadOutputs> {
    return this.outputs(rows);
  }

  async candidates(hidden: Float32Array, wanted: number): Promise<Candidates> {
    const rows = hidden.length / 2;
    const count = Math.min(wanted, probabilities.length);
    const tokens = new Int32Array(rows * count);
    const logProbabilities = new Float32Array(rows * count);
    for (let row = 0; row < rows; row++) {
      const right = script[hidden[row * 2]!]!;
      const onPath = hidden[row * 2 + 1] === 1;
      for (let rank = 0; rank < count; rank++) {
        const proposed = onPath && rank === rightRank ? right : (right + 1 + rank) % vocabulary;
        tokens[row * count + rank] = proposed;
        logProbabilities[row * count + rank] = Math.log(probabilities[rank]!);
      }
    }
    return { count, tokens, logProbabilities };
  }

  trim(length: number): void {
    this.length = Math.min(this.length, length);
  }

  private outputs({ tokens, features, positions, outputRows }: HeadRows): HeadOutputs {
    const rowsFor = (distance: number) =>
      Float32Array.from(
        outputRows.flatMap((row) => {
          const onPath = features[row * 2 + 1] === 1 && tokens[row] === script[positions[row]! + 1];
          return [positions[row]! + distance, onPath ? 1 : 0];
        }),
      );
    return { mixture: rowsFor(2), contrast: rowsFor(3) };
  }
}

/** Tokens per round over the script, its first three tokens committed. */
async function tauOver(rounds: number, wrongParentRows: boolean): Promise<number> {
  const drafter = new HeadDrafter(new SecondGuessHead(), new Calibration());
  drafter.wrongParentRows = wrongParentRows;
  const tree = new DraftTree(0);
  let committed = 0;
  const commit = (count: number) => {
    const positions = Array.from({ length: count }, (_, i) => committed + i);
    const features = Float32Array.from(positions.flatMap((position) => [position, 1]));
    drafter.extend(
      positions.map((position) => script[position]!),
      features,
    );
    committed += count;
  };
  commit(3);
  let tokens = 0;
  for (let round = 0; round < rounds; round++) {
    tree.reset(script[committed]!);
    await drafter.draft(tree, { depth: 3, branching: probabilities.length });
    const accepted = acceptPath(tree.rerank(64), (_, position) => script[position]!, committed + 1);
    tokens += accepted.tokens.length;
    commit(accepted.path.length);
  }
  return tokens / rounds;
}

/** Notes which positions it reads and how many rows each forward has. */
class ReadingHead extends SecondGuessHead {
  readonly appended: { readonly first: number; readonly rows: number }[] = [];

  override async append(rows: HeadRows): Promise<HeadOutputs> {
    this.appended.push({ first: rows.positions[0]!, rows: rows.tokens.length });
    for (const [i, token] of Array.from(rows.tokens).entries()) {
      const position = rows.positions[i]!;
      assert.equal(rows.features[2 * i], position, "the feature of another token");
      // The last row's token is the root of the round.
      if (i + 1 < rows.tokens.length) assert.equal(token, longText(position + 1));
    }
    return await super.append(rows);
  }
}

const longText = (position: number) => (position * 7) % 61;

describe("what the head reads of a long text", () => {
  let head: ReadingHead;
  let drafter: HeadDrafter;
  let length: number;
  const extend = (count: number) => {
    const positions = Array.from({ length: count }, (_, i) => length + i);
    drafter.extend(positions.map(longText), Float32Array.from(positions.flatMap((position) => [position, 1])));
    length += count;
  };
  const trim = (to: number) => {
    drafter.trim(to);
    length = Math.min(length, to);
  };
  const draft = async () => {
    head.appended.length = 0;
    await drafter.draft(new DraftTree(longText(length)), { depth: 1, branching: 1 });
    return head.appended.map(({ first, rows }) => [first, rows]);
  };
  beforeEach(() => {
    head = new ReadingHead();
    drafter = new HeadDrafter(head, new Calibration());
    length = 0;
  });

  it("is the end of it, read before the round that drafts", async () => {
    extend(1000);
    await drafter.read();
    assert.deepEqual(head.appended, [{ first: 744, rows: 255 }]);
    assert.deepEqual(await draft(), [[999, 1]]);
    extend(3);
    await drafter.read();
    assert.deepEqual(await draft(), [[1000, 3]], "a round's tokens come with the next round");
  });

  it("goes on where it was, whatever is typed behind it", async () => {
    extend(1000);
    await draft();
    for (const [kept, added, expected] of [
      [990, 20, [[989, 21]]],
      // Half of a window has to be left.
      [880, 10, [[879, 11]]],
      [
        860,
        0,
        [
          [604, 255],
          [859, 1],
        ],
      ],
      [
        300,
        100,
        [
          [144, 255],
          [399, 1],
        ],
      ],
      // More than a window is unread: what lies between is left out.
      [
        400,
        800,
        [
          [944, 255],
          [1199, 1],
        ],
      ],
      [30, 0, [[0, 30]]],
      [0, 1, [[0, 1]]],
    ] as const) {
      trim(kept);
      extend(added);
      assert.deepEqual(await draft(), expected, `${kept} tokens kept, ${added} added`);
    }
  });

  it("is all of a text that is no longer than a window", async () => {
    extend(256);
    assert.deepEqual(await draft(), [
      [0, 255],
      [255, 1],
    ]);
  });
});

describe("the head's tree", () => {
  it("gives the parallel level the rows of each node's parent", async () => {
    assert.equal(await tauOver(20, false), 4);
  });

  it("loses the parallel level where rows are taken by frontier index, the fault of the released code", async () => {
    assert.equal(await tauOver(20, true), 3);
  });

  it("expands as many nodes as rows of a verification are worth, or as the user fixed", async () => {
    const cheap = await exploredRows({}, (rows) => 20 + 0.05 * rows);
    const dear = await exploredRows({}, (rows) => 20 + 4 * rows);
    assert.equal(cheap[0], 4, "all candidates there are");
    assert.equal(dear[0], 2, "those of 0.3 and 0.28");
    for (const verifyMs of [(rows: number) => 20 + 0.05 * rows, (rows: number) => 20 + 4 * rows])
      assert.equal((await exploredRows({ branching: 3 }, verifyMs))[0], 3);
  });
});

/** Rows of each later draft forward of one round, on a machine where a verification takes so long. */
async function exploredRows(sizes: TreeSizes, verifyMs: (rows: number) => number): Promise<readonly number[]> {
  const explored: number[] = [];
  class CountingHead extends SecondGuessHead {
    override async explore(rows: HeadRows): Promise<HeadOutputs> {
      explored.push(rows.tokens.length);
      return await super.explore(rows);
    }
  }
  const verify = [1, 2, 4, 8, 16, 32].map((rows) => ({ rows, ms: verifyMs(rows) }));
  const cost = new CostModel({ verify, draft: [0.1, 0.1], overheadMs: 0.1 });
  const strategy = new Strategy({ method: "jakiro", cost, sizes, head: new CountingHead(), clock: () => 0 });
  strategy.start(script.slice(0, 3), 0);
  strategy.extend(script.slice(0, 3), Float32Array.from([0, 1, 1, 1, 2, 1]));
  await strategy.propose(script[3]!);
  return explored;
}
