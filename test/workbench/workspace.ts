import { spawnSync } from "node:child_process";
import { appendFileSync, cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "./repository.ts";

/** Where the copy of test/vscode/workspace lies. */
export interface TestWorkspace {
  /** The workspace file, which names both folders. */
  readonly file: string;
  /** A folder of a git repository that begins above it, and ignores `hidden`. */
  readonly first: string;
  /** A git repository that ignores `built`; its settings exclude `generated`. */
  readonly second: string;
}

/** Copies the workspace of the tests, for them to change. */
export function copyWorkspace(to: string): TestWorkspace {
  cpSync(join(repository, "test", "vscode", "workspace"), to, { recursive: true });
  const second = join(to, "second");
  for (const root of [to, second]) {
    const { status, stderr } = spawnSync("git", ["init", "--quiet", root], { encoding: "utf8" });
    if (status !== 0) throw new Error(`The tests need git: ${stderr}`);
  }
  writeFileSync(join(to, ".gitignore"), "hidden/\n");
  appendFileSync(join(second, ".git", "info", "exclude"), "built/\n");
  return { file: join(to, "two.code-workspace"), first: join(to, "first"), second };
}
