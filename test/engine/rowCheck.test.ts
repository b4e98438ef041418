import assert from "node:assert/strict";
import type { ForwardResult, LogitsMode, TokenRows } from "../../src/engine/decoding/target.ts";
import { rowsAgree } from "../../src/engine/rowCheck.ts";
import { WatchedSequence } from "./decoding.ts";
import { packTiny, type ScratchTarget } from "./scratchTarget.ts";

/** A device whose results depend on how many rows run together, in the last bit of one number. */
class FaultySequence extends WatchedSequence {
  fault: "features" | "logits" | "infinite" = "features";

  override async forward(rows: TokenRows, mode: LogitsMode, logitRows?: ArrayLike<number>): Promise<ForwardResult> {
    const result = await super.forward(rows, mode, logitRows);
    if (this.fault === "infinite") result.features[0] = Number.NaN;
    else if (mode === "logits" && rows.tokens.length > 1) {
      const bits = new Int32Array(result[this.fault]!.buffer, result[this.fault]!.byteOffset);
      // The second row of the path: its features and its logits.
      const { hidden, vocabulary } = this.config;
      bits[this.fault === "features" ? hidden + 5 : vocabulary + 5]! ^= 1;
    }
    return result;
  }
}

describe("rowsAgree", () => {
  let scratch: ScratchTarget;
  before(async () => {
    scratch = await packTiny("tiny-llama", "int8");
  });
  after(() => scratch.release());

  it("finds that the processor is lossless, in as much room as there is", async () => {
    for (const capacity of [400, 40]) {
      const sequence = scratch.target.sequence(capacity);
      assert.equal(await rowsAgree(sequence), true);
      assert.deepEqual(sequence.tokens, []);
    }
  });

  for (const fault of ["features", "logits", "infinite"] as const) {
    it(`finds a device that is not (${fault})`, async () => {
      const sequence = new FaultySequence(scratch.target.sequence(400));
      sequence.fault = fault;
      assert.equal(await rowsAgree(sequence), false);
    });
  }
});
