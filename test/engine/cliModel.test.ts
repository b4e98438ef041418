import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { exampleIn } from "../../src/cli/demoExample.ts";
import { jakiro } from "./cliRun.ts";
import { defaultModelPath, packingLimitMs } from "./realModel.ts";

/** The two ends of the product's way: the text of a file goes in, the text to insert comes out. */
describe("jakiro with the default model", function () {
  this.timeout(packingLimitMs);

  it("goes on as the lines above suggest, by every method that needs no head, with the same tokens", async () => {
    defaultModelPath();
    const { prefix, suffix, line, character } = exampleIn(
      "inventory.py",
      readFileSync(join("examples", "inventory.py"), "utf8"),
    );
    const argv = [
      "complete",
      "-",
      "--line",
      String(line),
      "--character",
      String(character),
      "--language",
      "python",
      "--json",
    ];
    const results = [];
    for (const method of [["plain"], ["lookup", "--nodes", "8"]]) {
      const { code, stdout, stderr } = await jakiro([...argv, "--method", ...method], { input: prefix + suffix });
      assert.equal(code, 0, stderr);
      results.push(JSON.parse(stdout));
    }
    const [plain, lookup] = results;
    assert.equal(plain.model, "qwen2.5-coder-0.5b-instruct");
    assert.equal(
      plain.text,
      'price_cents=int(row["price_cents"]),\n            reorder_below=int(row["reorder_below"]),',
    );
    assert.deepEqual([lookup.text, lookup.tokens, lookup.finishReason], [plain.text, plain.tokens, plain.finishReason]);
    assert.equal(plain.tau, 1);
    assert.ok(lookup.tau > 1 && lookup.counts.targetForwards < plain.counts.targetForwards);
  });
});
