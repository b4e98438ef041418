import { spawnSync } from "node:child_process";
import { appendFileSync, cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { noGitSettings } from "./gitSettings.ts";
import { repository } from "./repository.ts";

/** Where the copy of test/vscode/workspace lies. */
export interface TestWorkspace {
  /** The workspace file, which names both folders. */
  readonly file: string;
  /** A folder of a git repository that begins above it, and ignores `hidden`. */
  readonly first: string;
  /** A git repository that ignores `built`; its settings exclude `generated`. Its folder `linked` is a working tree of `main`. */
  readonly second: string;
}

/** Copies the workspace of the tests, for them to change. */
export function copyWorkspace(to: string): TestWorkspace {
  cpSync(join(repository, "test", "vscode", "workspace"), to, { recursive: true });
  const second = join(to, "second");
  const main = join(to, "main");
  for (const root of [to, second, main]) git("init", "--quiet", root);
  git("-C", second, "config", "core.excludesFile", join(to, "ignored-by-the-user"));
  git("-C", main, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "--message=a");
  git("-C", main, "worktree", "add", "--quiet", join(second, "linked"));
  writeFileSync(join(to, ".gitignore"), "hidden/\n");
  appendFileSync(join(second, ".git", "info", "exclude"), "built/\n");
  return { file: join(to, "two.code-workspace"), first: join(to, "first"), second };
}

function git(...argv: readonly string[]): void {
  const { status, stderr } = spawnSync("git", argv, { encoding: "utf8", env: { ...process.env, ...noGitSettings } });
  if (status !== 0) throw new Error(`The tests need git: ${stderr}`);
}
