import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { exampleIn } from "../../src/cli/demoExample.ts";
import { jakiro } from "./cliRun.ts";
import { defaultModelPath, packingLimitMs } from "./realModel.ts";

/** What the demo's files are completed with, by the default model in int8. */
const golden = [
  {
    file: "inventory.py",
    text: 'price_cents=int(row["price_cents"]),\n            reorder_below=int(row["reorder_below"]),',
  },
  {
    file: "geometry.ts",
    text: "const width = Math.min(right(a), right(b)) - left;\n  const height = Math.min(bottom(a), bottom(b)) - top;",
  },
  {
    file: "schedule.js",
    text: "saturday: { opens: 10 * 60, closes: 18 * 60 },\n  sunday: { opens: 10 * 60, closes: 20 * 60 }",
  },
] as const;

/** The two ends of the product's way: the text of a file goes in, the text to insert comes out. */
describe("jakiro with the default model", function () {
  this.timeout(packingLimitMs);
  before(() => {
    defaultModelPath();
  });

  for (const { file, text } of golden) {
    it(`completes ${file} as the lines around suggest, with the same tokens by every method`, async () => {
      const example = exampleIn(file, readFileSync(join("examples", file), "utf8"));
      const place = ["--line", String(example.line), "--character", String(example.character)];
      const argv = ["complete", "-", ...place, "--language", example.languageId!, "--json"];
      const complete = async (...method: string[]) => {
        const options = { input: example.prefix + example.suffix };
        const { code, stdout, stderr } = await jakiro([...argv, "--method", ...method], options);
        assert.equal(code, 0, stderr);
        return JSON.parse(stdout);
      };
      const plain = await complete("plain");
      assert.equal(plain.model, "qwen2.5-coder-0.5b-instruct");
      assert.equal(plain.text, text);
      assert.equal(plain.tau, 1);
      for (const method of [["jakiro"], ["lookup", "--nodes", "8"]]) {
        const { tokens, finishReason, tau, counts, ...drafted } = await complete(...method);
        assert.deepEqual([drafted.text, tokens, finishReason], [plain.text, plain.tokens, plain.finishReason]);
        assert.ok(tau > 1 && counts.targetForwards < plain.counts.targetForwards, `${method[0]}: ${tau}`);
      }
    });
  }

  it("is shown by the demo, each file with its text, tau, speed and what that is of plain decoding's", async () => {
    const child = spawn(process.execPath, [join("dist", "demo.js")]);
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.resume();
    assert.equal(await new Promise((resolve) => child.on("close", resolve)), 0);
    for (const { text } of golden) assert.ok(stdout.includes(`${text}\n---\ntext equal to plain decoding's;`), stdout);
    assert.equal(stdout.match(/^tau \d\.\d\d {2}\d+\.\d tok\/s {2}\d\.\d\dx$/gm)?.length, golden.length, stdout);
  });
});
