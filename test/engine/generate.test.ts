import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MethodReport } from "../../src/cli/benchReport.ts";
import { greedy } from "../../src/engine/decoding/sampling.ts";
import { Engine } from "../../src/engine/engine.ts";
import { generateCode } from "../../src/engine/generate.ts";
import { jakiro, scratchFolder } from "./cliRun.ts";
import { tinyPath } from "./scratchTarget.ts";

/** Generation with a random model that takes milliseconds: its text means nothing, its plumbing does. */
describe("jakiro generate with a tiny model", function () {
  this.timeout(120_000);
  const scratch = scratchFolder();
  after(scratch.remove);
  const env = { JAKIRO_CACHE_DIR: join(scratch.path, "cache"), JAKIRO_MODELS_DIR: join(scratch.path, "no-models") };
  const model = ["--model", tinyPath("tiny-qwen2")];
  const put = (name: string, content: string | Uint8Array): string => {
    const path = join(scratch.path, name);
    writeFileSync(path, content);
    return path;
  };
  const run = (argv: readonly string[], input = "") => jakiro(["generate", ...argv], { env, input });
  const asked = ["--instruction", "halve it", ...model, "--max-tokens", "12"];
  const python = "def area(w, h):\n    return w * h\n";

  interface Printed {
    readonly text: string;
    readonly tokens: readonly number[];
    readonly counts: { readonly promptTokens: number; readonly completionTokens: number };
  }

  async function printed(argv: readonly string[], input?: string): Promise<Printed> {
    const { code, stdout, stderr } = await run([...argv, "--json"], input);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as Printed;
  }

  it("prints the code, or the object that complete prints", async () => {
    const file = put("a.py", python);
    const plain = await run([file, ...asked, "--line", "1", "--character", "4"]);
    assert.equal(plain.code, 0, plain.stderr);
    const object = await printed([file, ...asked, "--line", "1", "--character", "4"]);
    assert.equal(plain.stdout, object.text);
    const complete = ["complete", file, "--line", "1", "--character", "4", ...model, "--max-tokens", "4", "--json"];
    const { stdout } = await jakiro(complete, { env, input: "" });
    assert.deepEqual(Object.keys(object), Object.keys(JSON.parse(stdout) as object));
    assert.equal(object.tokens.length, object.counts.completionTokens);
  });

  it("reads a document and a range from standard input", async () => {
    const range = ["--from", "1:4", "--to", "1:16"];
    const inserted = await printed(["-", ...asked, "--language", "python"], python);
    const rewritten = await printed(["-", ...asked, ...range, "--language", "python"], python);
    assert.notEqual(inserted.counts.promptTokens, rewritten.counts.promptTokens);
  });

  for (const temperature of ["0", "0.8"]) {
    it(`writes the same by every method at temperature ${temperature}`, async () => {
      const options = [put("a.py", python), ...asked, "--from", "0:0", "--to", "1:16", "--temperature", temperature];
      const { text, tokens } = await printed([...options, "--seed", "5", "--method", "plain"]);
      for (const method of ["lookup", "auto"]) {
        const other = await printed([...options, "--seed", "5", "--method", method]);
        assert.deepEqual([other.text, other.tokens], [text, tokens], method);
      }
    });
  }

  const refused: readonly (readonly [string, number, readonly string[], RegExp])[] = [
    ["a line outside", 3, ["--line", "9", "--character", "0"], /Line 9 is outside of/],
    ["an end outside", 3, ["--from", "0:0", "--to", "1:99"], /Character 99 is outside of line 1/],
    ["a method whose head is missing", 4, ["--method", "jakiro"], /no jakiro head/],
    ["a range that runs backwards", 2, ["--from", "1:0", "--to", "0:0"], /--from lies behind --to/],
    ["more tokens than fit with the selection", 2, ["--from", "0:0", "--to", "400:0"], /select less/],
  ];
  for (const [name, code, options, message] of refused) {
    it(`refuses ${name}`, async () => {
      const long = code === 2 && options.includes("400:0");
      const file = put("b.py", long ? "value = 1\n".repeat(400) : python);
      const result = await run([file, ...asked, ...options]);
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr, message);
      assert.equal(result.stdout, "");
    });
  }

  it("refuses a binary file, a missing one and a missing model", async () => {
    assert.equal((await run([put("c.py", Uint8Array.of(0, 1, 2)), ...asked])).code, 3);
    assert.equal((await run([join(scratch.path, "none.py"), ...asked])).code, 3);
    assert.equal((await run([put("a.py", python), "--instruction", "x", "--model", "none.gguf"])).code, 4);
  });

  it("measures a suite of instructions", async () => {
    const records = [
      { instruction: "add", language: "python", prefix: "a = 1\n", selection: "", suffix: "" },
      { instruction: "rename", language: "python", prefix: "", selection: "a = 1\n", suffix: "b = 2\n" },
    ];
    const suite = put("suite.jsonl", records.map((record) => JSON.stringify(record)).join("\n"));
    const json = join(scratch.path, "result.json");
    const argv = [
      "bench",
      "--suite",
      suite,
      "--methods",
      "plain,lookup",
      "--max-tokens",
      "8",
      "--json",
      json,
      ...model,
    ];
    const { code, stderr } = await jakiro(argv, { env, input: "" });
    assert.equal(code, 0, stderr);
    const { methods } = JSON.parse(readFileSync(json, "utf8")) as { methods: Record<string, MethodReport> };
    assert.deepEqual([methods["lookup"]!.identical, methods["lookup"]!.total], [2, 2]);
    assert.ok(methods["lookup"]!.tau > 0);
  });

  it("stops within one forward when it is cancelled", async () => {
    const outside = process.env["JAKIRO_CACHE_DIR"];
    process.env["JAKIRO_CACHE_DIR"] = env.JAKIRO_CACHE_DIR;
    const engine = await Engine.load({ path: tinyPath("tiny-qwen2"), threads: 1 });
    try {
      const abort = new AbortController();
      const result = await generateCode(engine, await engine.session("plain"), {
        prefix: "",
        selection: "",
        suffix: "",
        instruction: "go on",
        maxTokens: 200,
        sampling: greedy,
        signal: abort.signal,
        onText: () => abort.abort(),
      });
      assert.equal(result.finishReason, "cancelled");
      assert.equal(result.tokens.length, 1);
      assert.equal(result.cut, false);
    } finally {
      await engine.release();
      if (outside === undefined) delete process.env["JAKIRO_CACHE_DIR"];
      else process.env["JAKIRO_CACHE_DIR"] = outside;
    }
  });
});
