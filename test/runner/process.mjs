import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The repository's root: everything is run from there. */
export const root = join(import.meta.dirname, "..", "..");

export const node = process.execPath;

/** Command and first arguments that start a package's own program without a shell. */
export function tool(packageName, program) {
  const folder = join(root, "node_modules", packageName);
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return [node, [join(folder, typeof bin === "string" ? bin : bin[program])]];
}

/** Runs a program with its output passed through; resolves to its exit code, or the signal's name that ended it. */
export function run(command, argv, { cwd = root, env = {}, timeoutMs } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, argv, { cwd, env: { ...process.env, ...env }, stdio: "inherit", timeout: timeoutMs });
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code, signal) => resolve(signal ?? code));
  });
}

/** One program that passes or fails as a whole; `argv` may come in parts. */
export async function runCheck(name, command, ...argv) {
  const start = performance.now();
  const code = await run(command, argv.flat());
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${code === 0 ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
  return code === 0 ? passedCheck : failedCheck(`Failed: ${name} (${code})`);
}

const passedCheck = { passed: 1, failed: 0, skipped: 0, notable: [] };

export function failedCheck(sentence) {
  return { passed: 0, failed: 1, skipped: 0, notable: [sentence] };
}
