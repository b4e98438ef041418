import assert from "node:assert/strict";
import {
  type CompleteOptions,
  parseBench,
  parseComplete,
  parseDoctor,
  parseEvaluate,
  parseModels,
} from "../../src/cli/arguments.ts";
import { benchHelp, completeHelp, doctorHelp, evaluateHelp, modelsHelp } from "../../src/cli/help.ts";
import { JakiroError } from "../../src/engine/errors.ts";

const cursor = ["--line", "3", "--character", "0"];

const defaults: CompleteOptions = {
  file: "a.py",
  line: 3,
  character: 0,
  language: undefined,
  method: "auto",
  maxTokens: 64,
  temperature: 0,
  topK: 0,
  topP: 1,
  seed: 0,
  nodes: undefined,
  depth: undefined,
  branching: undefined,
  model: "qwen2.5-coder-0.5b-instruct",
  head: undefined,
  device: "auto",
  adapter: undefined,
  weights: "int8",
  kv: "float32",
  raw: false,
  json: false,
};

describe("arguments of complete", () => {
  const accepted: [string, string[], Partial<CompleteOptions>][] = [
    ["nothing but the position", [], {}],
    ["options before the file", ["--raw", "--json"], { raw: true, json: true }],
    ["values after =", ["--max-tokens=1", "--method=jakiro-star"], { maxTokens: 1, method: "jakiro-star" }],
    ["fractions", ["--temperature", ".8", "--top-p", "9.5e-1"], { temperature: 0.8, topP: 0.95 }],
    ["the largest seed", ["--seed", "4294967295"], { seed: 4294967295 }],
    ["the smallest tree", ["--nodes", "2", "--depth", "1", "--branching", "1"], { nodes: 2, depth: 1, branching: 1 }],
    [
      "the largest tree",
      ["--nodes", "256", "--depth", "16", "--branching", "16"],
      { nodes: 256, depth: 16, branching: 16 },
    ],
    ["no head", ["--head", "none"], { head: "none" }],
    ["a model file", ["--model", "./my model.gguf", "--device", "cpu"], { model: "./my model.gguf", device: "cpu" }],
    ["float16 for keys and values", ["--kv", "float16"], { kv: "float16" }],
    ["top-k and a language", ["--top-k", "40", "--language", "python"], { topK: 40, language: "python" }],
  ];
  for (const [name, extra, expected] of accepted) {
    it(`takes ${name}`, () =>
      assert.deepEqual(parseComplete([...extra, "a.py", ...cursor]), { ...defaults, ...expected }));
  }

  it("takes - for standard input, and names that look like options after --", () => {
    assert.equal(parseComplete(["-", ...cursor]).file, "-");
    assert.equal(parseComplete([...cursor, "--", "--json"]).file, "--json");
  });

  const refused: [string[], RegExp][] = [
    [[...cursor], /expects a file, or - for standard input/],
    [["", ...cursor], /expects a file/],
    [["a.py", "b.py", ...cursor], /not "b\.py" as well/],
    [["a.py", "--line", "1"], /--character C is missing/],
    [["a.py", "--character", "1"], /--line L is missing/],
    [["a.py", ...cursor, "--line", "4"], /--line is given twice/],
    [["a.py", ...cursor, "--temprature", "1"], /no option --temprature; did you mean --temperature\?/],
    [["a.py", ...cursor, "--max-token", "1"], /did you mean --max-tokens\?/],
    [["a.py", ...cursor, "--zzz"], /no option --zzz\. See `jakiro complete --help`/],
    [["a.py", ...cursor, "-j"], /no option -j/],
    [["a.py", ...cursor, "--constructor"], /no option --constructor/],
    [["a.py", ...cursor, "--seed"], /--seed needs a value \(N\)/],
    [["a.py", "--line", "--character", "0"], /--line needs a value/],
    [["a.py", ...cursor, "--seed="], /--seed expects a whole number/],
    [["a.py", ...cursor, "--model="], /--model expects a value that is not empty/],
    [["a.py", ...cursor, "--json=x"], /--json takes no value/],
    [["a.py", ...cursor, "--method", "jakiro-sta"], /one of auto, plain.+\(did you mean jakiro-star\?\)/],
    [["a.py", ...cursor, "--method", "Plain"], /did you mean plain/],
    [["a.py", ...cursor, "--device", "tpu"], /--device tpu: expects one of auto, cpu, gpu/],
  ];
  for (const [argv, complaint] of refused) {
    it(`refuses ${JSON.stringify(argv)}`, () => assertUsage(() => parseComplete(argv), complaint));
  }

  const outOfRange: [string, string[], RegExp][] = [
    ["line", ["-1", "1.5", "x", "1e3", "0x10", "9007199254740992"], /a whole number of at least 0/],
    ["character", ["-1", " 1", "NaN"], /a whole number of at least 0/],
    ["max-tokens", ["0", "-5", "Infinity"], /a whole number of at least 1/],
    ["temperature", ["-0.1", "5.1", "hot", "NaN", "Infinity", "."], /a number from 0 to 5/],
    ["top-p", ["0", "1.01", "-1"], /a number above 0 and up to 1/],
    ["top-k", ["-1", "0.5"], /a whole number of at least 0/],
    ["seed", ["-1", "4294967296"], /a whole number from 0 to 4294967295/],
    ["nodes", ["1", "257"], /a whole number from 2 to 256/],
    ["depth", ["0", "17"], /a whole number from 1 to 16/],
    ["branching", ["0", "17"], /a whole number from 1 to 16/],
  ];
  for (const [option, values, expected] of outOfRange) {
    for (const value of values) {
      it(`refuses --${option} ${value}`, () => {
        const argv = [...cursor, "a.py"].filter(
          (_, index, all) => all[index] !== `--${option}` && all[index - 1] !== `--${option}`,
        );
        assertUsage(() => parseComplete([...argv, `--${option}=${value}`]), expected);
        assertUsage(() => parseComplete([...argv, `--${option}=${value}`]), new RegExp(`--${option} ${value}: `));
      });
    }
  }
});

describe("arguments of the other commands", () => {
  it("gives bench its defaults", () => {
    const { file, line, character, language, method, raw, json, ...decoding } = defaults;
    assert.deepEqual(parseBench(["--suite", "s.jsonl.gz"]), {
      ...decoding,
      suite: "s.jsonl.gz",
      methods: ["plain", "jakiro", "auto"],
      limit: undefined,
      json: undefined,
    });
  });

  it("takes every method in bench, in the order given", () => {
    const all = "lookup,eagle,jakiro-star, jakiro,plain,auto";
    assert.deepEqual(parseBench(["--suite", "s", "--methods", all]).methods, all.split(/, ?/));
  });

  it("gives evaluate its options", () => {
    const argv = ["infilling", "--suite", "s", "--limit", "300", "--json", "out.json", "--method", "plain"];
    assert.deepEqual(parseEvaluate(argv), {
      task: "infilling",
      suite: "s",
      limit: 300,
      json: "out.json",
      method: "plain",
      maxTokens: 64,
      model: defaults.model,
      head: undefined,
      device: "auto",
      adapter: undefined,
      weights: "int8",
      kv: "float32",
    });
  });

  it("parses doctor and models", () => {
    assert.deepEqual(parseDoctor(["--json"]), { profile: false, json: true, device: "auto", adapter: undefined });
    assert.deepEqual(parseDoctor(["--device", "gpu", "--adapter", "RTX", "--profile"]), {
      profile: true,
      json: false,
      device: "gpu",
      adapter: "RTX",
    });
    assert.deepEqual(parseModels(["list"]), { action: "list", json: false });
    assert.deepEqual(parseModels(["get", "x"]), { action: "get", name: "x", sources: ["hugging-face"] });
    const both = parseModels(["get", "x", "--source", "package-mirror,hugging-face"]);
    assert.deepEqual(both, { action: "get", name: "x", sources: ["package-mirror", "hugging-face"] });
    assert.deepEqual(parseModels(["remove", "x"]), { action: "remove", name: "x" });
  });

  const refused: [string, () => unknown, RegExp][] = [
    ["bench without a suite", () => parseBench([]), /--suite FILE\.jsonl\[\.gz\] is missing/],
    ["bench with a positional", () => parseBench(["s.jsonl", "--suite", "s"]), /what to do with "s\.jsonl"/],
    ["bench with --raw", () => parseBench(["--suite", "s", "--raw"]), /no option --raw/],
    [
      "an unknown method",
      () => parseBench(["--suite", "s", "--methods", "plain,medusa"]),
      /each is one of auto, plain/,
    ],
    ["an empty method", () => parseBench(["--suite", "s", "--methods", "plain,"]), /each is one of/],
    ["a method twice", () => parseBench(["--suite", "s", "--methods", "plain,plain"]), /not "plain" twice/],
    ["a limit of 0", () => parseBench(["--suite", "s", "--limit", "0"]), /at least 1/],
    ["evaluate without a task", () => parseEvaluate(["--suite", "s"]), /what to evaluate: infilling/],
    ["evaluate of something else", () => parseEvaluate(["chat", "--suite", "s"]), /cannot evaluate "chat"/],
    [
      "evaluate with sampling",
      () => parseEvaluate(["infilling", "--suite", "s", "--temperature", "1"]),
      /no option --temperature/,
    ],
    ["doctor with a positional", () => parseDoctor(["x"]), /what to do with "x"/],
    ["models without an action", () => parseModels([]), /expects list, get NAME or remove NAME\. /],
    ["models get of two", () => parseModels(["get", "a", "b"]), /not "b" as well/],
    ["an unknown source", () => parseModels(["get", "a", "--source", "package-miror"]), /did you mean package-mirror/],
    ["models remove with an option", () => parseModels(["remove", "a", "--force"]), /no option --force/],
  ];
  for (const [name, parse, complaint] of refused) it(`refuses ${name}`, () => assertUsage(parse, complaint));
});

describe("help", () => {
  const commands: [string, string, (argv: string[]) => unknown][] = [
    ["complete", completeHelp, parseComplete],
    ["bench", benchHelp, parseBench],
    ["evaluate", evaluateHelp, parseEvaluate],
    ["doctor", doctorHelp, parseDoctor],
    ["models", modelsHelp, (argv) => parseModels([argv[0]?.startsWith("--source") ? "get" : "list", ...argv])],
  ];
  for (const [name, help, parse] of commands) {
    it(`of ${name} names options that exist, within 120 columns`, () => {
      const options = [...help.matchAll(/^ {2}--([a-z-]+)/gm)].map(([, option]) => option!);
      assert.ok(options.length > 0);
      for (const option of options) {
        assert.throws(
          () => parse([`--${option}=`]),
          (error: Error) => !error.message.includes("no option"),
        );
      }
      for (const line of help.split("\n")) assert.ok(line.length <= 120, line);
    });
  }

  it("shows defaults", () => {
    assert.match(completeHelp, /--max-tokens N .+\[64\]/);
    assert.match(benchHelp, /--methods LIST .+\[plain,jakiro,auto\]/);
  });
});

function assertUsage(parse: () => unknown, complaint: RegExp): void {
  assert.throws(parse, (error: unknown) => {
    assert.ok(error instanceof JakiroError, String(error));
    assert.equal(error.exitCode, 2);
    assert.match(error.message, complaint);
    return true;
  });
}
