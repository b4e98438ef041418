import { execFile } from "node:child_process";
import { realpath, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { type Clock, systemClock } from "./clock.ts";
import { executablesOnPath, type MachineFiles } from "./searchPath.ts";

/** An answer is good for so long: another file of rules may have been named in git's settings, which nobody watches. */
const freshMs = 10_000;
const commandMs = 5000;
const mostAnswers = 256;
/** Would lead git to another repository than the file's; they are set where git itself has opened the editor. */
const repositoryVariables = new Set(["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX"]);

/** What macOS has here asks the user to install Apple's developer tools where they are missing. */
const macStandIn = "/usr/bin/git";
const macTools = ["/Library/Developer/CommandLineTools", "/Applications/Xcode.app/Contents/Developer"];

/** The git on PATH that may be run; undefined where there is none outside the workspace. */
export async function findGit(workspaceFolders: readonly string[], machine: MachineFiles): Promise<string | undefined> {
  for await (const file of executablesOnPath("git", workspaceFolders, machine)) {
    if (machine.platform !== "darwin" || file !== macStandIn) return file;
    for (const tools of macTools) {
      const behind = `${tools}/usr/bin/git`;
      if (await machine.isExecutable(behind)) return behind;
    }
  }
  return undefined;
}

interface Answer {
  readonly at: number;
  readonly ignored: Promise<boolean | undefined>;
}

/** Asks git which files it ignores, by all its rules: those above the workspace, the repository's own and the user's. */
export class GitIgnores {
  private git: Promise<string | undefined> | undefined;
  private readonly answers = new Map<string, Answer>();

  constructor(
    private readonly find: () => Promise<string | undefined>,
    private readonly clock: Pick<Clock, "now"> = systemClock,
  ) {}

  /**
   * Whether git ignores a file, which need not exist; undefined where there is no git. A file of a repository that cannot be
   * asked counts as ignored. Never rejects.
   */
  isIgnored(file: string): Promise<boolean | undefined> {
    const known = this.answers.get(file);
    if (known !== undefined && this.clock.now() - known.at < freshMs) return known.ignored;
    if (this.answers.size >= mostAnswers) this.answers.clear();
    const ignored = this.ask(file).catch(() => true);
    this.answers.set(file, { at: this.clock.now(), ignored });
    return ignored;
  }

  /**
   * Files with rules about a repository that lie in none of its own folders: its list of exclusions, which working trees share and
   * a submodule has inside the outer repository, and the user's own. They need not exist. Never rejects.
   */
  async ruleFiles(root: string): Promise<string[]> {
    this.git ??= this.find();
    const git = await this.git;
    if (git === undefined) return [join(root, ".git", "info", "exclude")];
    const [exclude, own] = await Promise.all([
      output(git, ["rev-parse", "--git-path", "info/exclude"], root),
      output(git, ["config", "--type=path", "--get", "core.excludesFile"], root),
    ]);
    return [...(exclude === undefined ? [] : [resolve(root, exclude)]), resolve(root, own ?? usersRules())];
  }

  /** Rules or folders have changed. */
  forget(): void {
    this.git = undefined;
    this.answers.clear();
  }

  private async ask(file: string): Promise<boolean | undefined> {
    this.git ??= this.find();
    const git = await this.git;
    if (git === undefined) return undefined;
    // A folder that is a link belongs to another repository than what it leads to, or to none.
    for (const place of new Set([file, await withoutLinks(file)])) {
      const root = await repositoryOf(dirname(place));
      if (root !== undefined && (await checkIgnore(git, root, place))) return true;
    }
    return false;
  }
}

function withoutLinks(file: string): Promise<string> {
  return realpath(dirname(file)).then(
    (folder) => join(folder, basename(file)),
    () => file,
  );
}

/** The nearest folder, from this one upwards, that has git's data or a pointer to it. */
export async function repositoryOf(start: string): Promise<string | undefined> {
  for (let folder = start; ; folder = dirname(folder)) {
    if (await exists(join(folder, ".git"))) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Ends with 0 for an ignored file, with 1 for another one; whatever else happens is no answer. */
function checkIgnore(git: string, root: string, file: string): Promise<boolean> {
  // A repository's settings may name a program that watches its files: it is not run for this. Nor is any lock taken.
  const argv = ["--no-optional-locks", "-c", "core.fsmonitor=false", "check-ignore", "--stdin", "-z"];
  const options = { cwd: root, env: environment(), timeout: commandMs, windowsHide: true };
  return new Promise((resolve) => {
    const { stdin } = execFile(git, argv, options, (error) => resolve(error?.code !== 1));
    // Git may end before it has read; its exit status says all.
    stdin?.on("error", () => undefined);
    // Relative, since the way to the repository may be a link; with "./", so that no name reads as a pattern.
    stdin?.end(`./${relative(root, file).split(sep).join("/")}\0`);
  });
}

/** What git prints in a folder, without its line end; undefined where it fails or has nothing to say. */
function output(git: string, argv: readonly string[], cwd: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(git, argv, { cwd, env: environment(), timeout: commandMs, windowsHide: true }, (error, stdout) =>
      resolve(error === null ? stdout.replace(/\r?\n$/, "") || undefined : undefined),
    );
  });
}

/** Where git looks for the user's rules unless `core.excludesFile` says otherwise. */
function usersRules(): string {
  return join(process.env["XDG_CONFIG_HOME"] || join(homedir(), ".config"), "git", "ignore");
}

function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !repositoryVariables.has(name)));
}
