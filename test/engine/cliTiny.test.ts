import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MethodReport } from "../../src/cli/benchReport.ts";
import { catalogue } from "../../src/engine/model/catalogue.ts";
import { openCheckpoint } from "../../src/engine/model/open.ts";
import { type CliResult, jakiro, scratchFolder } from "./cliRun.ts";
import { writeRandomHead } from "./randomHead.ts";
import { tinyPath } from "./scratchTarget.ts";

const jsonKeys = [
  "text",
  "tokens",
  "finishReason",
  "model",
  "device",
  "method",
  "seed",
  "tau",
  "acceptanceByDepth",
  "tokensPerSecond",
  "timings",
  "counts",
];
const timingKeys = ["loadMs", "promptMs", "firstTokenMs", "draftMs", "verifyMs", "totalMs"] as const;
const countKeys = [
  "promptTokens",
  "cachedTokens",
  "completionTokens",
  "targetForwards",
  "draftForwards",
  "draftedTokens",
] as const;

/** What `complete --json` prints. */
interface Completion {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly finishReason: string;
  readonly tau: number;
  readonly timings: Readonly<Record<(typeof timingKeys)[number], number>>;
  readonly counts: Readonly<Record<(typeof countKeys)[number], number>>;
}

/** The whole command line on a random model that takes milliseconds, with a random head: its text means nothing. */
describe("jakiro with a tiny model", function () {
  this.timeout(180_000);
  const scratch = scratchFolder();
  after(scratch.remove);
  const env = { JAKIRO_CACHE_DIR: join(scratch.path, "cache"), JAKIRO_MODELS_DIR: join(scratch.path, "no-models") };
  const qwen = ["--model", tinyPath("tiny-qwen2"), "--device", "cpu"];
  const llama = ["--model", tinyPath("tiny-llama"), "--device", "cpu"];
  let head: readonly string[];
  before(async () => {
    const checkpoint = openCheckpoint(tinyPath("tiny-qwen2"));
    const folder = writeRandomHead(join(scratch.path, "head"), checkpoint.config, { kind: "jakiro" });
    checkpoint.close();
    head = ["--head", folder];
  });

  const put = (name: string, content: string | Uint8Array): string => {
    const path = join(scratch.path, name);
    writeFileSync(path, content);
    return path;
  };
  const run = (argv: readonly string[], input: string | Uint8Array = "") => jakiro(argv, { env, input });
  const at = (line: number, character: number) => ["--line", String(line), "--character", String(character)];

  async function completed(argv: readonly string[], input?: string | Uint8Array): Promise<Completion & CliResult> {
    const result = await run(["complete", ...argv, "--json"], input);
    assert.equal(result.code, 0, result.stderr);
    return { ...(JSON.parse(result.stdout) as Completion), ...result };
  }

  const python = "def area(width, height):\n    return \n\n\nprint(area(2, 3))\n";

  it("prints the completion alone", async () => {
    const file = put("a.py", python);
    const options = ["complete", file, ...at(1, 11), ...qwen, "--raw", "--max-tokens", "12"];
    const plain = await run(options);
    assert.equal(plain.code, 0, plain.stderr);
    const json = JSON.parse((await run([...options, "--json"])).stdout) as Completion;
    assert.equal(plain.stdout, json.text);
  });

  it("prints an object with just the documented keys", async () => {
    const completion = await completed([put("a.py", python), ...at(1, 11), ...qwen, "--raw", "--max-tokens", "8"]);
    const printed = JSON.parse(completion.stdout) as Completion;
    assert.deepEqual(Object.keys(printed).sort(), jsonKeys.toSorted());
    assert.deepEqual(Object.keys(printed.timings).sort(), timingKeys.toSorted());
    assert.deepEqual(Object.keys(printed.counts).sort(), countKeys.toSorted());
    const { tau, tokens, counts, timings } = completion;
    assert.ok(tau > 0);
    assert.equal(tokens.length, counts.completionTokens);
    assert.equal(counts.cachedTokens, 0);
    for (const key of timingKeys) assert.ok(timings[key] >= 0, key);
    assert.ok(timings.firstTokenMs <= timings.totalMs);
  });

  for (const temperature of ["0", "0.8"]) {
    it(`writes the same text by every method at temperature ${temperature}`, async () => {
      const options = [put("a.py", python), ...at(1, 11), ...qwen, ...head, "--max-tokens", "40", "--raw"];
      const sampling = ["--temperature", temperature, "--seed", "7"];
      const plain = await completed([...options, ...sampling, "--method", "plain"]);
      for (const method of ["jakiro", "lookup", "auto"]) {
        const { tokens, text, finishReason } = await completed([...options, ...sampling, "--method", method]);
        assert.deepEqual({ tokens, text, finishReason }, pick(plain), method);
      }
      const fixed = ["--method", "jakiro", "--nodes", "8", "--depth", "3", "--branching", "2"];
      const jakiroRun = await completed([...options, ...sampling, ...fixed]);
      assert.deepEqual(pick(jakiroRun), pick(plain));
      assert.ok(jakiroRun.counts.draftForwards > 0 && jakiroRun.counts.draftedTokens > 0);
    });
  }

  it("refuses a method whose head is missing", async () => {
    const argv = ["complete", put("a.py", python), ...at(0, 0), ...qwen];
    for (const [method, options] of [
      ["jakiro", []],
      ["eagle", head],
      ["jakiro", ["--head", "none"]],
    ] as const) {
      const { code, stderr, stdout } = await run([...argv, ...options, "--method", method]);
      assert.deepEqual([code, stdout], [4, ""]);
      assert.match(stderr, new RegExp(`no ${method} head`));
    }
  });

  const handled: readonly (readonly [string, string | Uint8Array, readonly string[], boolean])[] = [
    ["an empty file", "", at(0, 0), false],
    ["a file of 100,000 lines, packed", "value = compute(value)\n".repeat(100_000), at(50_000, 5), true],
    ["a file of one long line", "x".repeat(300_000), at(0, 150_000), true],
    ["a byte order mark", Buffer.from("\uFEFFx = "), at(0, 4), false],
  ];
  for (const [name, content, position, isCut] of handled) {
    it(`takes ${name}, and says what it left out`, async () => {
      for (const [model, infills] of [
        [qwen, true],
        [llama, false],
      ] as const) {
        const { code, stderr, counts } = await completed(["-", ...position, ...model, "--max-tokens", "4"], content);
        const notes = notesIn(stderr);
        assert.equal(code, 0);
        assert.equal(/left out/.test(notes), isCut, notes);
        assert.equal(/no infilling tokens/.test(notes), !infills, notes);
        assert.equal(notes === "", !isCut && infills, notes);
        assert.ok(counts.completionTokens <= 4);
      }
    });
  }

  it("counts characters from after a byte order mark", async () => {
    const { code, stderr } = await run(["complete", "-", ...at(0, 2), ...qwen], "\uFEFFx");
    assert.equal(code, 3);
    assert.match(stderr, /characters go from 0 to 1/);
  });

  it("answers a document with CRLF in CRLF", async () => {
    const options = [...at(1, 11), ...qwen, "--raw", "--max-tokens", "64", "--temperature", "1.5", "--seed", "3"];
    const [unix, windows] = await Promise.all(
      [python, python.replaceAll("\n", "\r\n")].map((text) => completed(["-", ...options], text)),
    );
    assert.deepEqual(windows!.tokens, unix!.tokens);
    assert.equal(windows!.text, unix!.text.replace(/\r\n?/g, "\n").replaceAll("\n", "\r\n"));
  });

  it("says that a model without infilling tokens sees the prefix alone", async () => {
    const { stderr, counts } = await completed(["-", ...at(0, 1), ...llama, "--max-tokens", "2"], `x${"y".repeat(99)}`);
    assert.match(stderr, /no infilling tokens/);
    assert.ok(counts.promptTokens <= 3);
  });

  describe("bench", () => {
    const records = Array.from({ length: 5 }, (_, i) =>
      JSON.stringify({ prompt: `def f${i}(x):\n    y = x\n    return `, ...(i % 2 ? { suffix: "\n\nf(1)\n" } : {}) }),
    ).join("\n");

    it("measures the methods asked for against plain decoding", async () => {
      const results = join(scratch.path, "bench.json");
      const suite = put("suite.jsonl", records);
      const options = ["--limit", "3", "--max-tokens", "16", "--temperature", "0.8", "--json", results];
      const { code, stdout, stderr } = await run([
        "bench",
        "--suite",
        suite,
        "--methods",
        "lookup,jakiro",
        ...qwen,
        ...head,
        ...options,
      ]);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^\| method \| +tau \|.*\n\| -+ \|.*\n\| lookup \|.*\n\| jakiro \|.*\n$/);
      const report = JSON.parse(readFileSync(results, "utf8"));
      assert.deepEqual(Object.keys(report.methods), ["lookup", "jakiro"]);
      assert.equal(report.records, 3);
      const sampling = { temperature: 0.8, topK: 0, topP: 1, seed: 0 };
      const weights = { weights: "int8", kv: "float32", head: "head" };
      assert.deepEqual(report.options, { maxTokens: 16, ...sampling, ...weights });
      assert.match(report.model.sha256, /^[0-9a-f]{64}$/);
      assert.equal(report.machine.node, process.version);
      for (const method of Object.values<MethodReport>(report.methods)) {
        assert.deepEqual([method.identical, method.total], [3, 3]);
        assert.deepEqual(Object.keys(method.timings).sort(), timingKeys.toSorted());
        assert.deepEqual(Object.keys(method.counts).sort(), countKeys.toSorted());
        assert.equal(method.counts.cachedTokens, 0);
        assert.ok(method.tau >= 1 && method.speedup! > 0 && method.speedupEndToEnd! > 0);
      }
      assert.ok(report.methods.jakiro.counts.draftForwards > 0);
      assert.equal(report.methods.lookup.counts.draftForwards, 0);
    });

    it("fails where a method cannot run, and writes nothing", async () => {
      const results = join(scratch.path, "none.json");
      const argv = ["bench", "--suite", put("suite.jsonl", records), "--methods", "plain,eagle", "--json", results];
      const { code, stdout } = await run([...argv, ...qwen, ...head]);
      assert.deepEqual([code, stdout], [4, ""]);
      assert.ok(!readdirSync(scratch.path).includes("none.json"));
    });
  });

  it("evaluates infilling", async () => {
    const file = put("a.py", python);
    const raw = await completed([file, ...at(1, 11), ...qwen, "--raw", "--max-tokens", "16", "--method", "plain"]);
    const [prompt, suffix] = [python.slice(0, 36), python.slice(36)];
    const suite = put(
      "infilling.jsonl",
      [`${raw.text.split("\n")[0]!}  \nmore`, "surely not this"]
        .map((solution) => JSON.stringify({ prompt, suffix, canonical_solution: solution }))
        .join("\n"),
    );
    const results = join(scratch.path, "evaluation.json");
    const argv = ["evaluate", "infilling", "--suite", suite, ...qwen, "--max-tokens", "16", "--json", results];
    const { code, stdout, stderr } = await run(argv);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^2 records: first line exact 50\.0 %, all lines exact 0\.0 %\n$/);
    assert.deepEqual(JSON.parse(readFileSync(results, "utf8")), {
      model: tinyPath("tiny-qwen2"),
      total: 2,
      firstLineExactMatch: 0.5,
      allLinesExactMatch: 0,
    });
  });

  describe("Ctrl-C", () => {
    /** Once: a second Ctrl-C ends the process at once, without a word. */
    const interruptOn = (pattern: RegExp) => (child: ChildProcess) => {
      const listen = (text: string) => {
        if (!pattern.test(text)) return;
        child.stderr?.off("data", listen);
        child.kill("SIGINT");
      };
      child.stderr?.on("data", listen);
    };

    const interruptWhenThereIs = (folder: string) => (child: ChildProcess) => {
      const timer = setInterval(() => {
        if (!existsSync(folder)) return;
        clearInterval(timer);
        child.kill("SIGINT");
      }, 5);
      child.once("exit", () => clearInterval(timer));
    };

    it("ends packing with 130 and leaves nothing half-written", async () => {
      const cache = join(scratch.path, "interrupted");
      const { code, stderr } = await jakiro(["complete", put("a.py", python), ...at(0, 0), ...llama], {
        env: { ...env, JAKIRO_CACHE_DIR: cache },
        onStart: interruptWhenThereIs(join(cache, "packed")),
      });
      assert.equal(code, 130, stderr);
      assert.match(stderr, /jakiro: Interrupted\.\n$/);
      assert.deepEqual(readdirSync(join(cache, "packed")), []);
    });

    it("ends waiting for standard input with 130", async () => {
      const started = performance.now();
      const { code, stdout } = await jakiro(["complete", "-", ...at(0, 0), ...qwen], {
        env,
        onStart: (child) => setTimeout(() => child.kill("SIGINT"), 1500),
      });
      assert.deepEqual([code, stdout], [130, ""]);
      assert.ok(performance.now() - started < 10_000);
    });

    it("ends a long benchmark with 130 and writes no results", async () => {
      const suite = put("long.jsonl", '{"prompt": "x = "}\n'.repeat(100_000));
      const results = join(scratch.path, "interrupted.json");
      const { code, stdout, stderr } = await jakiro(
        ["bench", "--suite", suite, ...qwen, "--methods", "lookup", "--json", results],
        {
          env,
          onStart: interruptOn(/Benchmarking/),
        },
      );
      assert.deepEqual([code, stdout], [130, ""], stderr);
      assert.deepEqual(
        readdirSync(scratch.path).filter((name) => name.startsWith("interrupted.json")),
        [],
      );
    });
  });

  it("doctor tells what is missing, and what the machine is", async () => {
    const doctor = ["doctor", "--device", "cpu"];
    const { code, stdout } = await run(doctor);
    assert.equal(code, 0);
    for (const expected of [
      /processor +\S/,
      /threads +\d+ of \d+/,
      /used +processor: The processor was chosen\./,
      /jakiro models get/,
    ]) {
      assert.match(stdout, expected);
    }
    const diagnosis = JSON.parse((await run([...doctor, "--json"])).stdout);
    assert.deepEqual([diagnosis.costs, diagnosis.settings, diagnosis.device], [[], null, "cpu"]);
    assert.equal(diagnosis.models[0].state, "absent");
    // A file of the right size that is no such model: what runs here is told all the same.
    const models = join(scratch.path, "damaged");
    mkdirSync(models);
    const { file, bytes, name } = catalogue[0]!;
    copyFileSync(tinyPath("tiny-qwen2"), join(models, file));
    truncateSync(join(models, file), bytes);
    const damaged = await jakiro(doctor, { env: { ...env, JAKIRO_MODELS_DIR: models } });
    assert.equal(damaged.code, 4);
    assert.match(damaged.stdout, /processor +\S/);
    assert.match(damaged.stderr, new RegExp(`is not ${name} as it was published`));
    const profiled = await run([...doctor, "--profile"]);
    assert.equal(profiled.code, 0);
    assert.match(profiled.stderr, /Nothing was profiled: no model is installed\./);
  });
});

function pick({ tokens, text, finishReason }: Completion) {
  return { tokens, text, finishReason };
}

/** What is said to the user, without lines of progress. */
function notesIn(stderr: string): string {
  return stderr
    .split("\n")
    .filter((line) => line !== "" && !/\(\d+ %\)/.test(line))
    .join("\n");
}
