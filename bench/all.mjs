// Every benchmark that an idle machine without a GPU can run, one after the other; results and plot go to bench/results.
//   npm run bench                                   (four hours on two cores)
//   npm run bench -- --only humaneval,nodes-8       (some of them; --data DIR for the HumanEval suites)
//   npm run bench -- --suite FILE ...               (one suite: passed on to `jakiro bench`)
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root, suitePath } from "./options.mjs";

const own = ["--only", "--data"];
const argv = process.argv.slice(2);
const isOwn = argv.every((argument, i) => own.some((name) => argument.startsWith(name) || argv[i - 1] === name));
process.exit(isOwn ? runAll() : node("dist/cli.js", "bench", ...argv));

function runAll() {
  const { values: options } = parseArgs({
    args: argv,
    options: { only: { type: "string" }, data: { type: "string", default: join(root, "..", "shared", "data") } },
  });
  const commands = commandsFor(options);
  const wanted = options.only?.split(",") ?? [...commands.keys()];
  const unknown = wanted.filter((name) => !commands.has(name));
  if (unknown.length > 0) {
    console.error(`There is no benchmark ${unknown.join(", ")}; there are ${[...commands.keys()].join(", ")}.`);
    return 2;
  }
  for (const name of wanted) {
    console.log(`== ${name}`);
    const status = node(...commands.get(name), "--json", result(name));
    if (status !== 0) return status;
  }
  const greedy = [...commands.keys()].filter(
    (name) => commands.get(name)[1] === "bench" && name !== "humaneval-sampled",
  );
  const plotted = greedy.map(result).filter((file) => existsSync(join(root, file)));
  return node("bench/plot.mjs", result("speed").replace(".json", ".svg"), ...plotted);
}

/** By the name of the result. */
function commandsFor({ data }) {
  const humanEval = suitePath({ data }, "HumanEval.jsonl.gz");
  const infilling = suitePath({ data }, "HumanEval-SingleLineInfilling.jsonl.gz");
  const bench = (suite, methods, ...others) => [
    "dist/cli.js",
    "bench",
    "--suite",
    suite,
    "--methods",
    methods,
    ...others,
  ];
  const all = "plain,jakiro,jakiro-star,eagle,lookup,auto";
  const product = "plain,jakiro,lookup,auto";
  const edits = "bench/suites/edits.jsonl";
  const nodes = [4, 8, 16, 24, 60].map((count) => [
    `nodes-${count}`,
    bench(humanEval, "plain,jakiro,eagle", "--limit", "20", "--nodes", `${count}`),
  ]);
  return new Map([
    ["humaneval", bench(humanEval, all)],
    ["humaneval-sampled", bench(humanEval, all, "--temperature", "0.8", "--seed", "1")],
    ["edits", bench(edits, "plain,jakiro,eagle,lookup,auto", "--max-tokens", "128")],
    ["files", bench("bench/suites/files.jsonl", product)],
    ["instructions", bench("bench/suites/instructions.jsonl", product)],
    ["infilling", bench(infilling, product, "--limit", "100")],
    ...nodes,
    ["llamacpp", ["bench/compare.mjs", "--data", data, "--limit", "40"]],
    ["llamacpp-edits", ["bench/compare.mjs", "--data", data, "--suite", edits, "--max-tokens", "128"]],
    ["latency", ["bench/latency.mjs", "--data", data, "--order-limit", "300"]],
    ["same-model", ["bench/same_model.mjs", "--data", data]],
  ]);
}

function result(name) {
  return join("bench", "results", `${name}.json`);
}

/** Runs a program of this repository in its root and returns its exit status. */
function node(...program) {
  const { status, error } = spawnSync(process.execPath, program, { cwd: root, stdio: "inherit" });
  if (error !== undefined) throw error;
  return status ?? 1;
}
