import assert from "node:assert/strict";
import { acceptPath } from "../../../src/engine/decoding/acceptance.ts";
import { Calibration } from "../../../src/engine/decoding/calibration.ts";
import type { Candidates, DraftHead, HeadOutputs, HeadRows } from "../../../src/engine/decoding/draftHead.ts";
import { HeadDrafter } from "../../../src/engine/decoding/headDrafter.ts";
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

  async candidates(hidden: Float32Array, count: number): Promise<Candidates> {
    const rows = hidden.length / 2;
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

describe("the head's tree", () => {
  it("gives the parallel level the rows of each node's parent", async () => {
    assert.equal(await tauOver(20, false), 4);
  });

  it("loses the parallel level where rows are taken by frontier index, the fault of the released code", async () => {
    assert.equal(await tauOver(20, true), 3);
  });
});
