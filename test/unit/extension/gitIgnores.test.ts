import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findGit, GitIgnores } from "../../../src/extension/gitIgnores.ts";
import type { MachineFiles } from "../../../src/extension/searchPath.ts";
import { noGitSettings } from "../../workbench/gitSettings.ts";
import { FakeClock } from "./fakeClock.ts";

describe("files that git ignores", () => {
  let scratch: string;
  let repository: string;
  let ignores: GitIgnores;
  let clock: FakeClock;
  let found: number;
  let settings: [string, string | undefined][];
  beforeEach(() => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), "jakiro-git-")));
    repository = join(scratch, "repository");
    mkdirSync(join(repository, "packages", "one"), { recursive: true });
    settings = Object.keys(noGitSettings).map((name) => [name, process.env[name]]);
    Object.assign(process.env, noGitSettings);
    execFileSync("git", ["init", "--quiet", repository]);
    writeFileSync(join(repository, ".gitignore"), "built/\n*.log\n");
    clock = new FakeClock();
    found = 0;
    ignores = new GitIgnores(async () => {
      found += 1;
      return "git";
    }, clock);
  });
  afterEach(() => {
    for (const [name, value] of settings) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    rmSync(scratch, { recursive: true, force: true });
  });
  const isIgnored = (...path: string[]) => ignores.isIgnored(join(scratch, ...path));

  it("are told by the rules of all folders up to the repository's", async () => {
    writeFileSync(join(repository, "packages", ".gitignore"), "local.*\n!kept.log\n");
    for (const [path, expected] of [
      ["packages/one/built/a.ts", true],
      ["packages/one/a.log", true],
      ["packages/one/kept.log", false],
      ["packages/one/local.ts", true],
      ["packages/one/a.ts", false],
      ["packages/nowhere/yet/a.log", true],
      ["packages/one/:(top)a.ts", false],
      ["packages/one/ä ö\nü.log", true],
    ] as const)
      assert.equal(await isIgnored("repository", path), expected, path);
    assert.equal(found, 1);
  });

  it("are those of the file's own repository, wherever the editor was opened from", async () => {
    process.env["GIT_DIR"] = join(scratch, "elsewhere");
    try {
      assert.equal(await isIgnored("repository", "a.log"), true);
      assert.equal(await isIgnored("repository", "a.ts"), false);
    } finally {
      delete process.env["GIT_DIR"];
    }
  });

  it("are found where a folder of the repository is opened by a link", async () => {
    symlinkSync(join(repository, "packages"), join(scratch, "link"), "junction");
    assert.equal(await isIgnored("link", "one", "a.log"), true);
    assert.equal(await isIgnored("link", "one", "a.ts"), false);
    symlinkSync(repository, join(scratch, "whole"), "junction");
    assert.equal(await isIgnored("whole", "packages", "a.log"), true);
    assert.equal(await isIgnored("whole", "packages", "a.ts"), false);
  });

  it("are none outside of repositories, and all of a repository that cannot be read", async () => {
    assert.equal(await isIgnored("a.log"), false);
    mkdirSync(join(scratch, "broken"));
    writeFileSync(join(scratch, "broken", ".git"), "gitdir: nowhere\n");
    assert.equal(await isIgnored("broken", "a.ts"), true);
    assert.equal(await new GitIgnores(async () => join(scratch, "gone")).isIgnored(join(repository, "a.ts")), true);
  });

  it("are asked for anew after ten seconds, and when rules have changed", async () => {
    assert.equal(await isIgnored("repository", "a.ts"), false);
    appendFileSync(join(repository, ".git", "info", "exclude"), "a.ts\n");
    await clock.advance(9_999);
    assert.equal(await isIgnored("repository", "a.ts"), false);
    await clock.advance(1);
    assert.equal(await isIgnored("repository", "a.ts"), true);
    writeFileSync(join(repository, ".git", "info", "exclude"), "");
    assert.equal(await isIgnored("repository", "a.ts"), true);
    ignores.forget();
    assert.equal(await isIgnored("repository", "a.ts"), false);
  });

  it("have rules in files that working trees share, that a submodule has elsewhere, and that are the user's", async () => {
    const git = (...argv: string[]) => execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...argv]);
    git("-C", repository, "commit", "--quiet", "--allow-empty", "--message=a");
    const [tree, inner] = [join(scratch, "tree"), join(repository, "inner")];
    git("-C", repository, "worktree", "add", "--quiet", tree);
    git("-C", repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", repository, "inner");
    git("-C", repository, "config", "core.excludesFile", join(scratch, "own"));
    for (const [root, exclude] of [
      [repository, join(repository, ".git", "info", "exclude")],
      [tree, join(repository, ".git", "info", "exclude")],
      [inner, join(repository, ".git", "modules", "inner", "info", "exclude")],
    ] as const) {
      const [shared, own] = await ignores.ruleFiles(root);
      assert.equal(shared, exclude);
      writeFileSync(exclude, "a.ts\n");
      assert.equal(await ignores.isIgnored(join(root, "a.ts")), true, root);
      if (root === inner) assert.match(own!, /\bgit.ignore$/);
      else assert.equal(own, join(scratch, "own"));
    }
    writeFileSync(join(scratch, "own"), "b.ts\n");
    assert.equal(await isIgnored("tree", "b.ts"), true);
    const [only, ...others] = await new GitIgnores(async () => undefined).ruleFiles(repository);
    assert.deepEqual([only, others], [join(repository, ".git", "info", "exclude"), []]);
  });

  it("cannot be told without git", async () => {
    assert.equal(await new GitIgnores(async () => undefined).isIgnored(join(repository, "a.log")), undefined);
  });

  it("run no program that the repository's settings name", async () => {
    const touched = join(scratch, "touched");
    execFileSync("git", ["-C", repository, "config", "core.fsmonitor", `touch '${touched}' #`]);
    writeFileSync(join(repository, "a.ts"), "");
    execFileSync("git", ["-C", repository, "-c", "core.fsmonitor=false", "add", "a.ts"]);
    assert.equal(await isIgnored("repository", "a.log"), true);
    assert.throws(() => realpathSync(touched));
  });
});

describe("findGit", () => {
  const find = (folders: readonly string[], executables: readonly string[], machine: Partial<MachineFiles> = {}) =>
    findGit(folders, {
      platform: "linux",
      searchPath: "bin:/project/bin:/usr/bin",
      isExecutable: async (path) => executables.includes(path),
      realPath: async (path) => path,
      ...machine,
    });

  it("takes the first on PATH that is not in the workspace", async () => {
    assert.equal(await find(["/project"], ["bin/git", "/project/bin/git", "/usr/bin/git"]), "/usr/bin/git");
    assert.equal(await find([], ["/project/bin/git", "/usr/bin/git"]), "/project/bin/git");
    assert.equal(await find(["/project"], ["/project/bin/git"]), undefined);
  });

  it("passes over what is a link into the workspace", async () => {
    const realPath = async (path: string) => (path === "/usr/bin/git" ? "/project/git" : path);
    assert.equal(await find(["/project"], ["/usr/bin/git"], { realPath }), undefined);
  });

  it("does not start the installation of Apple's tools", async () => {
    const tools = "/Library/Developer/CommandLineTools/usr/bin/git";
    assert.equal(await find([], ["/usr/bin/git"], { platform: "darwin" }), undefined);
    assert.equal(await find([], ["/usr/bin/git", tools], { platform: "darwin" }), tools);
  });

  it("knows it by its name on Windows", async () => {
    const machine = { platform: "win32", searchPath: "C:\\Git\\cmd" } as const;
    assert.equal(await find([], ["C:\\Git\\cmd\\git.exe"], machine), "C:\\Git\\cmd\\git.exe");
  });
});
