import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { promptOf, readSuite, type SuiteRecord, spread } from "../../../src/cli/suite.ts";
import { chooseTemplate } from "../../../src/engine/completion/fimTemplates.ts";
import { JakiroError } from "../../../src/engine/errors.ts";
import { ToyTokenizer, vocabularies } from "../completion/toyTokenizer.ts";
import { withFolder } from "../modelServer.ts";

const good = [
  { prompt: "def f():\n", suffix: "\n", canonical_solution: "    pass\n", task_id: "1" },
  { prompt: "def g():\n", canonical_solution: null },
];
const lines = `${good.map((record) => JSON.stringify(record)).join("\n\n")}\n`;

function read(bytes: string | Uint8Array): Promise<SuiteRecord[]> {
  return new Promise((resolve, reject) => {
    withFolder(async (folder) => {
      const path = join(folder, "suite.jsonl");
      await writeFile(path, bytes);
      resolve(await readSuite(path));
    }).catch(reject);
  });
}

describe("readSuite", () => {
  const expected = [
    { lineNumber: 1, prompt: "def f():\n", suffix: "\n", canonicalSolution: "    pass\n" },
    { lineNumber: 3, prompt: "def g():\n", suffix: undefined, canonicalSolution: undefined },
  ];
  it("reads JSON lines", async () => assert.deepEqual(await read(lines), expected));
  it("reads JSON lines in gzip, whatever the name", async () =>
    assert.deepEqual(await read(gzipSync(lines)), expected));

  it("reads the language of a record that names it", async () =>
    assert.deepEqual(await read('{"prompt": "f(", "language": "typescript"}'), [
      { lineNumber: 1, prompt: "f(", suffix: undefined, canonicalSolution: undefined, languageId: "typescript" },
    ]));

  const first = JSON.stringify(good[0]);
  const bad: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ["a line that is no JSON", `${first}\n{"prompt": \n`, /^Line 2 of .*suite\.jsonl is not valid JSON\.$/],
    ["a record that is no object", `\n${first}\n["x"]\n`, /^Line 3 of .* is not a JSON object\.$/],
    ["a record without a prompt", `${first}\n{"suffix": "x"}`, /^Line 2 of .* has no "prompt"\.$/],
    ["a prompt that is no text", '{"prompt": 7}', /^Line 1 of .* has a "prompt" that is not a string\.$/],
    ["a language that is no text", '{"prompt": "", "language": 1}', /^Line 1 of .* has a "language"/],
    ["a suffix that is no text", '{"prompt": "", "suffix": []}', /^Line 1 of .* has a "suffix"/],
    ["no records", "\n \n", /is empty/],
    ["damaged gzip", gzipSync(lines).subarray(0, 40), /is damaged/],
    ["other encodings", Buffer.from('{"prompt": "é"}', "latin1"), /not valid UTF-8/],
  ];
  for (const [name, bytes, message] of bad) {
    it(`refuses ${name}`, () =>
      assert.rejects(read(bytes), (error) => {
        assert.ok(error instanceof JakiroError);
        assert.equal(error.kind, "suite");
        assert.match(error.message, message);
        return true;
      }));
  }

  it("refuses a suite that is not there", () =>
    assert.rejects(readSuite("no/such/suite.jsonl"), (error) => error instanceof JakiroError && error.exitCode === 5));
});

describe("spread", () => {
  const ten = Array.from({ length: 10 }, (_, i) => i);
  const cases: readonly (readonly [number | undefined, readonly number[]])[] = [
    [undefined, ten],
    [1, [0]],
    [2, [0, 5]],
    [3, [0, 3, 6]],
    [4, [0, 2, 5, 7]],
    [10, ten],
    [50, ten],
  ];
  for (const [limit, expected] of cases) {
    it(`takes ${limit ?? "all"} of ten evenly`, () => assert.deepEqual(spread(ten, limit), expected));
  }
});

describe("promptOf", () => {
  const tokenizer = new ToyTokenizer(vocabularies.qwen);
  const engine = { tokenizer, template: chooseTemplate(tokenizer) };
  const record: SuiteRecord = { lineNumber: 1, prompt: "a = ", suffix: "\nb", canonicalSolution: undefined };
  const shown = (changes: Partial<SuiteRecord>) => tokenizer.show(promptOf({ ...record, ...changes }, engine, 100));

  it("puts a record with a suffix into the infilling format", () =>
    assert.equal(shown({}), "<|fim_prefix|>a = <|fim_suffix|>\nb<|fim_middle|>"));
  it("does so with an empty suffix", () =>
    assert.equal(shown({ suffix: "" }), "<|fim_prefix|>a = <|fim_suffix|><|fim_middle|>"));
  it("leaves a record without one as plain text", () => assert.equal(shown({ suffix: undefined }), "a = "));
  it("gives a model without the format the prompt alone", () =>
    assert.equal(tokenizer.show(promptOf(record, { tokenizer, template: undefined }, 100)), "a = "));
  it("refuses a record that gives nothing to continue", () =>
    assert.throws(() => shown({ prompt: "", suffix: undefined }), /Line 1 of the suite has an empty prompt/));
});
