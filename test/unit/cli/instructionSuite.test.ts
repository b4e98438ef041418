import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promptOf, readSuite } from "../../../src/cli/suite.ts";
import { JakiroError } from "../../../src/engine/errors.ts";
import { scratchFolder } from "../../engine/cliRun.ts";
import { ToyTokenizer } from "../completion/toyTokenizer.ts";

const chat = "{% for m in messages %}<|im_start|>{{ m.role }}: {{ m.content }}<|im_end|>{% endfor %}";

describe("a suite of instructions", () => {
  const scratch = scratchFolder();
  after(scratch.remove);
  const suite = (...records: object[]) => {
    const path = join(scratch.path, "suite.jsonl");
    writeFileSync(path, records.map((record) => JSON.stringify(record)).join("\n"));
    return path;
  };

  it("is asked as `jakiro generate` asks", async () => {
    const record = {
      instruction: "add types",
      language: "python",
      prefix: "import os\n",
      selection: "x = 1",
      suffix: "\n",
    };
    const [read] = await readSuite(suite(record));
    const tokenizer = new ToyTokenizer(["<|im_start|>", "<|im_end|>"], undefined, chat);
    const shown = tokenizer.show(promptOf(read!, { tokenizer, template: undefined }, 1000));
    assert.match(shown, /import os[\s\S]+```python\nx = 1\n```\n\nadd types<\|im_end\|>$/);
  });

  it("is refused with the line of a bad record", async () => {
    for (const [record, message] of [
      [{ instruction: " " }, /Line 2 of .+ empty "instruction"/],
      [{ instruction: "x", selection: 1 }, /Line 2 of .+ "selection" that is not a string/],
    ] as const) {
      await assert.rejects(
        readSuite(suite({ instruction: "ok" }, record)),
        (error) => error instanceof JakiroError && error.exitCode === 5 && message.test(error.message),
      );
    }
  });

  it("that ships has forty places in three languages, new code and rewriting", async () => {
    const records = (await readSuite(join("bench", "suites", "instructions.jsonl"))).map(
      ({ instruction }) => instruction!,
    );
    assert.equal(records.length, 40);
    assert.deepEqual([...new Set(records.map(({ languageId }) => languageId))], ["python", "typescript", "javascript"]);
    const rewriting = records.filter(({ selection }) => selection !== "").length;
    assert.ok(rewriting >= 15 && rewriting <= 25, String(rewriting));
    assert.equal(new Set(records.map(({ instruction }) => instruction)).size, 40);
  });
});
