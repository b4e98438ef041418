import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openCheckpoint } from "../../src/engine/model/open.ts";
import { type CliResult, jakiro, scratchFolder } from "./cliRun.ts";
import { writeRandomHead } from "./randomHead.ts";
import { tinyPath } from "./scratchTarget.ts";

const cursor = ["--line", "0", "--character", "0"];

/** Every refusal: nothing on stdout, one sentence on stderr, no trace of the program's insides. */
function assertRefused({ code, stdout, stderr }: CliResult, expected: number, message: RegExp): void {
  assert.match(stderr, message);
  assert.equal(code, expected, stderr);
  assert.equal(stdout, "");
  assert.match(stderr, /^jakiro: [^\n]+[.?] ?[^\n]*\n$/);
  assert.doesNotMatch(stderr, /Something unexpected| at .*\.(?:js|ts):/);
}

describe("jakiro refuses", function () {
  this.timeout(60_000);
  const scratch = scratchFolder();
  after(scratch.remove);
  const put = (name: string, content: string | Uint8Array): string => {
    const path = join(scratch.path, name);
    writeFileSync(path, content);
    return path;
  };
  const source = put("a.py", "x = 1\n");
  const suite = put("good.jsonl", '{"prompt": "x = ", "canonical_solution": "1"}\n');
  const tiny = ["--model", tinyPath("tiny-qwen2")];
  const env = { JAKIRO_CACHE_DIR: join(scratch.path, "cache"), JAKIRO_MODELS_DIR: join(scratch.path, "no-models") };

  const cases: readonly (readonly [string, number, readonly string[], RegExp])[] = [
    ["no command", 2, [], /Which command\?/],
    ["an unknown command", 2, ["compete"], /did you mean "complete"\?/],
    ["an unknown option", 2, ["complete", source, ...cursor, "--max-token", "3"], /did you mean --max-tokens\?/],
    ["an option out of range", 2, ["complete", source, ...cursor, "--top-p", "1.5"], /--top-p 1\.5: expects/],
    ["an unknown method", 2, ["bench", "--suite", suite, "--methods", "plain,magic"], /jakiro-star, eagle, lookup/],
    ["a missing position", 2, ["complete", source, "--line", "0"], /--character C is missing/],
    [
      "a GPU that is not there",
      4,
      ["complete", source, ...cursor, ...tiny, "--device", "gpu", "--adapter", "Voodoo 2"],
      /no GPU called "Voodoo 2" .*Choose auto or cpu/,
    ],
    ["a file that is not there", 3, ["complete", `${source}.gone`, ...cursor], /does not exist/],
    ["a directory", 3, ["complete", scratch.path, ...cursor], /it is a directory/],
    ["a binary file", 3, ["complete", put("b.bin", Uint8Array.of(1, 0, 2)), ...cursor], /binary file/],
    ["a file in Latin-1", 3, ["complete", put("l.py", Uint8Array.of(0x78, 0xe9)), ...cursor], /not valid UTF-8/],
    ["a line outside", 3, ["complete", source, "--line", "2", "--character", "0"], /lines go from 0 to 1/],
    ["a character outside", 3, ["complete", source, "--line", "0", "--character", "6"], /characters go from 0 to 5/],
    ["a model that is not installed", 4, ["complete", source, ...cursor], /jakiro models get qwen2\.5-coder/],
    ["an unknown model", 4, ["complete", source, ...cursor, "--model", "qwen3"], /no model named "qwen3"/],
    [
      "a model file that is not there",
      4,
      ["complete", source, ...cursor, "--model", "no/model.gguf"],
      /no\/model\.gguf/,
    ],
    ["a model file that is none", 4, ["complete", source, ...cursor, "--model", source], /GGUF/],
    ["an empty model directory", 4, ["complete", source, ...cursor, "--model", scratch.path], /config\.json/],
    [
      "a folder that is no head",
      4,
      ["complete", source, ...cursor, ...tiny, "--head", scratch.path],
      /not a usable draft head/,
    ],
    ["a suite that is not there", 5, ["bench", "--suite", "no/suite.jsonl", ...tiny], /does not exist/],
    [
      "a suite with a bad record",
      5,
      ["bench", "--suite", put("bad.jsonl", '{"prompt": ""}\nnonsense\n'), ...tiny],
      /Line 2 /,
    ],
    [
      "a suite without solutions",
      5,
      ["evaluate", "infilling", "--suite", put("u.jsonl", '{"prompt": "x"}'), ...tiny],
      /Line 1 .*"canonical_solution"/,
    ],
    [
      "a results file in no folder",
      6,
      ["bench", "--suite", suite, ...tiny, "--json", "no/folder/r.json"],
      /its folder does not exist/,
    ],
  ];
  for (const [name, code, argv, message] of cases) {
    it(name, async () => assertRefused(await jakiro(argv, { env, input: "" }), code, message));
  }

  it("a model file that was cut off", async () => {
    const whole = readFileSync(tinyPath("tiny-qwen2"));
    for (const share of [0.001, 0.1, 0.9]) {
      const path = put("cut.gguf", whole.subarray(0, Math.floor(whole.length * share)));
      assertRefused(await jakiro(["complete", source, ...cursor, "--model", path], { env }), 4, /cut\.gguf/);
    }
  });

  it("a head made for another model, before anything is packed", async () => {
    const checkpoint = openCheckpoint(tinyPath("tiny-qwen2"));
    const { config } = checkpoint;
    checkpoint.close();
    const wide = writeRandomHead(
      join(scratch.path, "wide"),
      { ...config, hidden: 2 * config.hidden },
      { kind: "jakiro" },
    );
    const many = writeRandomHead(join(scratch.path, "many"), { ...config, vocabulary: 9999 }, { kind: "eagle" });
    const run = (head: string) => jakiro(["complete", source, ...cursor, ...tiny, "--head", head], { env });
    assertRefused(await run(wide), 4, /hidden size is \d+ and the model's is \d+/);
    assertRefused(await run(many), 4, /vocabulary/);
  });

  it("to pack where it may not write", async () => {
    const blocked = { ...env, JAKIRO_CACHE_DIR: join(put("file", ""), "cache") };
    assertRefused(await jakiro(["complete", source, ...cursor, ...tiny], { env: blocked }), 6, /cannot be written/);
  });

  it("and leaves nothing of a model behind", () => {
    const cache = env.JAKIRO_CACHE_DIR;
    mkdirSync(cache, { recursive: true });
    assert.deepEqual(
      readdirSync(cache, { recursive: true }).filter(
        // Where no GPU was found, that is remembered whatever became of the model.
        (name) => !/^(?:hashes\.json|packed|gpu|gpu\Wadapters\.json)$/.test(String(name)),
      ),
      [],
    );
  });
});

describe("jakiro helps", function () {
  this.timeout(60_000);
  for (const argv of [["--help"], ["complete", "--help"], ["bench", "-h"], ["evaluate", "-h"], ["doctor", "--help"]]) {
    it(`with ${argv.join(" ")}`, async () => {
      const { code, stdout } = await jakiro(argv);
      assert.equal(code, 0);
      assert.match(stdout, /^jakiro /);
    });
  }
});
