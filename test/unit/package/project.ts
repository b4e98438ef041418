import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../../src/engine/model/catalogue.ts";

export const repository = packageRoot();

/** What packaging reads beside dist/ and node_modules/. */
const inputs = [
  "package.json",
  "package.nls.json",
  "README.md",
  "CHANGELOG.md",
  "LICENSE",
  "l10n",
  "media",
  "models",
  "scripts",
  join("src", "engine", "model"),
];

/** Small bundles with source maps, for tests of what happens around the bundles. */
const standIns: Readonly<Record<string, string>> = {
  "extension.js": "exports.activate = () => {};\n//# sourceMappingURL=extension.js.map\n",
  "engine.js": 'require("onnxruntime-node");\n//# sourceMappingURL=engine.js.map\n',
  "adapters.js": 'import("webgpu");\n//# sourceMappingURL=adapters.js.map\n',
};

/** A copy of this project that a test may damage; node_modules is a link. */
export async function scratchProject(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "jakiro-package-"));
  for (const name of inputs) await cp(join(repository, name), join(root, name), { recursive: true });
  await symlink(join(repository, "node_modules"), join(root, "node_modules"), "junction");
  await mkdir(join(root, "dist"));
  for (const [name, text] of Object.entries(standIns)) {
    await writeFile(join(root, "dist", name), text);
    const sources = ["../src/main.ts", "../node_modules/vscode-jsonrpc/lib/node/main.js"];
    await writeFile(join(root, "dist", `${name}.map`), JSON.stringify({ sources }));
  }
  return root;
}

/** This repository where its bundles were built, a copy with stand-ins elsewhere; `remove` leaves the repository alone. */
export async function projectToPackage(): Promise<{ root: string; remove: () => Promise<void> }> {
  if (Object.keys(standIns).every((name) => existsSync(join(repository, "dist", name)))) {
    return { root: repository, remove: async () => undefined };
  }
  const root = await scratchProject();
  return { root, remove: () => rm(root, { recursive: true }) };
}

export interface PackagingResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a project's scripts/package.mjs. */
export function runPackaging(
  root: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<PackagingResult> {
  return run(process.execPath, [join(root, "scripts", "package.mjs"), ...argv], env);
}

export function run(
  command: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<PackagingResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, argv, { env: { ...process.env, ...env } });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}
