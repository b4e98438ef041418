import { randomInt } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { failedCheck, root, run, tool } from "./process.mjs";

/** Suites in this folder share one process; every other file has its own, so that a model's memory is given back. */
const sharedProcess = "unit";

/** Whatever takes longer hangs: mocha's own limits cannot end a loop that never yields. */
const longestRunMs = 20 * 60_000;

/** Suites in this folder draw other numbers in every run, by a seed that JAKIRO_TEST_SEED sets to repeat one. */
const seeded = "gpu";

/** Suites in this folder run in an editor's extension host, not here. */
const inExtensionHost = "vscode";

/** Folders of test/ that hold suites for plain mocha, quick ones first. */
export function suiteFolders() {
  const folders = readdirSync(join(root, "test"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== inExtensionHost)
    .filter((entry) => suitesIn(join(root, "test", entry.name), ".test.ts").length > 0)
    .map((entry) => entry.name);
  return folders.sort((a, b) => Number(b === sharedProcess) - Number(a === sharedProcess) || a.localeCompare(b));
}

/** Runs a folder's built suites, or those whose file name contains one of `fileNames`. */
export async function runMocha(folder, fileNames, scratch) {
  const files = suitesIn(join(root, "out", "test", folder), ".test.js").filter(
    (file) => fileNames.length === 0 || fileNames.some((part) => basename(file).includes(part)),
  );
  const env = folder === seeded ? { JAKIRO_TEST_SEED: runSeed() } : {};
  for (const [name, value] of Object.entries(env)) console.log(`${folder}: random numbers of ${name}=${value}`);
  const groups = folder === sharedProcess ? [files] : files.map((file) => [file]);
  const total = { passed: 0, failed: 0, skipped: 0, notable: [] };
  for (const [index, group] of groups.entries()) {
    if (group.length === 0) continue;
    const result = await runGroup(group, join(scratch, `${folder}-${index}.json`), env);
    total.passed += result.passed;
    total.failed += result.failed;
    total.skipped += result.skipped;
    total.notable.push(...result.notable);
  }
  return total;
}

/** 32 bits, as the generator takes them. */
function runSeed() {
  const asked = process.env.JAKIRO_TEST_SEED ?? String(randomInt(2 ** 32));
  if (/^\d+$/.test(asked) && Number(asked) < 2 ** 32) return asked;
  console.error(`JAKIRO_TEST_SEED is ${asked}, but has to be a whole number below ${2 ** 32}.`);
  process.exit(2);
}

async function runGroup(files, report, env) {
  const [node, mocha] = tool("mocha", "mocha");
  const reporter = join(root, "test", "runner", "reporter.cjs");
  const options = [
    "--forbid-only",
    "--timeout",
    "60000",
    "--enable-source-maps",
    "--reporter",
    reporter,
    "--reporter-options",
  ];
  const argv = [...mocha, ...options, `report=${report}`, ...files];
  const code = await run(node, argv, { env, timeoutMs: longestRunMs });
  const names = files.length > 3 ? `${files.length} suites` : files.map((file) => basename(file)).join(", ");
  if (!existsSync(report)) return failedCheck(`Failed: ${names} ended before all tests had run (${code})`);
  const result = JSON.parse(readFileSync(report, "utf8"));
  if (result.passed + result.failed + result.skipped === 0) return failedCheck(`Failed: ${names} held no tests`);
  // Every failed test is in the report; what else turns the code is an error outside of any test.
  if (code !== 0 && result.failed === 0) {
    return { ...result, failed: 1, notable: [...result.notable, `Failed: ${names} ended with ${code}`] };
  }
  return result;
}

function suitesIn(folder, ending) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => join(folder, name));
}
