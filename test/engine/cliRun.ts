import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The built command line: the test command builds it first. */
const cli = join("dist", "cli.js");

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Undefined leaves standard input open and silent. */
  readonly input?: string | Uint8Array;
  readonly onStart?: (child: ChildProcess) => void;
  /** Milliseconds after which it is killed. */
  readonly timeout?: number;
}

/** Runs `jakiro ARGV...` to its end. */
export function jakiro(argv: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return runNode([cli, ...argv], options);
}

/** Runs a program of the repository to its end: its file, and its arguments. */
export function runNode(
  argv: readonly string[],
  { env, input, onStart, timeout }: CliOptions = {},
): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...argv], {
      env: { ...process.env, ...env },
      timeout,
      killSignal: "SIGKILL",
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.stdin.on("error", () => undefined);
    if (input !== undefined) child.stdin.end(input);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
    onStart?.(child);
  });
}

export function scratchFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "jakiro-cli-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
