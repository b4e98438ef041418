import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MethodReport } from "../../src/cli/benchReport.ts";
import { openCheckpoint } from "../../src/engine/model/open.ts";
import { jakiro, scratchFolder } from "../engine/cliRun.ts";
import { writeRandomHead } from "../engine/randomHead.ts";
import { tinyPath } from "../engine/scratchTarget.ts";
import { softwareAdapter, useSoftwareAdapter } from "./testDevice.ts";

/** What `complete --json` prints, as far as devices concern it. */
interface Completion {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly finishReason: string;
  readonly device: string;
}

/** The command line on the software adapter, which must be asked for by name, with a random model and a random head. */
describe("jakiro on a GPU", function () {
  this.timeout(240_000);
  useSoftwareAdapter();
  const scratch = scratchFolder();
  after(scratch.remove);
  // Drivers miss a display's folder loudly: what they say must not reach the user.
  const env = { JAKIRO_CACHE_DIR: join(scratch.path, "cache"), XDG_RUNTIME_DIR: undefined };
  const model = ["--model", tinyPath("tiny-qwen2")];
  const gpu = ["--device", "gpu", "--adapter", softwareAdapter.toLowerCase()];
  const source = join(scratch.path, "a.py");
  // No text after the cursor: how much of it is read follows from speed, and the devices differ in that.
  writeFileSync(source, "def area(width, height):\n    return ");
  const complete = ["complete", source, "--line", "1", "--character", "11", ...model, "--raw", "--json"];

  const notes = (stderr: string) => stderr.split("\n").filter((line) => line !== "" && !/\(\d+ %\)/.test(line));

  async function completed(options: readonly string[]): Promise<Completion & { readonly notes: readonly string[] }> {
    const { code, stdout, stderr } = await jakiro([...complete, ...options], { env, input: "" });
    assert.equal(code, 0, stderr);
    return { ...(JSON.parse(stdout) as Completion), notes: notes(stderr) };
  }

  it("writes the processor's text with float32 weights, and nothing else", async () => {
    const options = ["--weights", "float32", "--max-tokens", "24", "--method", "lookup"];
    const [there, here] = [await completed([...options, ...gpu]), await completed([...options, "--device", "cpu"])];
    assert.deepEqual([there.device, here.device], ["gpu", "cpu"]);
    assert.deepEqual(there.tokens, here.tokens);
    assert.deepEqual([there.text, there.finishReason], [here.text, here.finishReason]);
    assert.deepEqual(there.notes, []);
    assert.deepEqual(here.notes, ["float32 weights on the processor: drafts may change the text, so auto makes none."]);
  });

  it("takes no software adapter that was not asked for by name", async () => {
    const refused = await jakiro([...complete, "--device", "gpu"], { env, input: "" });
    assert.deepEqual([refused.code, refused.stdout], [4, ""]);
    assert.match(
      refused.stderr,
      /^jakiro: The only GPU here is emulated in software \(SwiftShader.*Choose auto or cpu/,
    );
    const { device, notes } = await completed(["--device", "auto", "--max-tokens", "2"]);
    assert.equal(device, "cpu");
    assert.equal(notes.length, 1);
    assert.match(notes[0]!, /^Running on the processor\. The only GPU here is emulated in software/);
  });

  it("runs 4-bit weights there as well", async () => {
    const { device, tokens } = await completed(["--weights", "int4", "--max-tokens", "4", ...gpu]);
    assert.deepEqual([device, tokens.length], ["gpu", 4]);
  });

  it("keeps keys and values in float16 where asked to, and writes the same by drafts as plainly", async () => {
    const half = ["--kv", "float16", "--max-tokens", "12", "--method"];
    const texts = [await completed([...half, "plain", ...gpu]), await completed([...half, "lookup", ...gpu])];
    assert.deepEqual(texts[0]!.tokens, texts[1]!.tokens);
    assert.deepEqual([texts[0]!.device, texts[0]!.notes], ["gpu", []]);
    const { notes } = await completed([...half, "plain", "--device", "cpu"]);
    assert.deepEqual(notes, ["Keys and values are float32 on the processor; float16 is for a GPU."]);
  });

  it("writes plain decoding's text by every method, at temperature 0 and drawn by seed", async () => {
    const checkpoint = openCheckpoint(tinyPath("tiny-qwen2"));
    const head = writeRandomHead(join(scratch.path, "head"), checkpoint.config, { kind: "jakiro" });
    checkpoint.close();
    const suite = join(scratch.path, "suite.jsonl");
    const prompts = ["def f(x):\n    y = x\n    return ", "for i in range(3):\n    print(i)\nfor i in range(3):\n    "];
    writeFileSync(suite, prompts.map((prompt) => JSON.stringify({ prompt })).join("\n"));
    for (const temperature of ["0", "0.8"]) {
      const results = join(scratch.path, `bench-${temperature}.json`);
      const options = ["--max-tokens", "16", "--temperature", temperature, "--seed", "7", "--json", results];
      const methods = ["--methods", "plain,lookup,jakiro,auto", "--head", head];
      const argv = ["bench", "--suite", suite, ...methods, ...options, ...model, ...gpu];
      const { code, stderr } = await jakiro(argv, { env, input: "" });
      assert.equal(code, 0, stderr);
      assert.deepEqual(
        notes(stderr).filter((line) => !line.startsWith("Benchmarking")),
        [],
      );
      const report = JSON.parse(readFileSync(results, "utf8"));
      assert.equal(report.model.device, "gpu");
      for (const [method, { identical, total }] of Object.entries<MethodReport>(report.methods)) {
        assert.deepEqual([method, identical, total], [method, prompts.length, prompts.length]);
      }
      assert.ok(report.methods.jakiro.counts.draftForwards > 0);
    }
  });
});
