import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "../../src/engine/model/paths.ts";
import { repository } from "./repository.ts";

/** Programs of which a workbench consists. */
export interface WorkbenchTools {
  readonly node: string;
  /** VS Code's server, which serves the browser workbench and runs extension hosts. */
  readonly server: string;
  readonly browser: string;
}

const browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/**
 * Finds the tools, installing VS Code's server into JAKIRO_TEST_TOOLS or the cache where it is missing; that compiles its native
 * parts and takes minutes, once. The browser must be there: Debian's package is `chromium`.
 */
export function workbenchTools(): WorkbenchTools {
  const browser = [process.env["JAKIRO_TEST_BROWSER"], ...browsers].find((path) => path && existsSync(path));
  if (browser === undefined) {
    throw new Error("The suites in a real VS Code need Chromium: install it, or name one in JAKIRO_TEST_BROWSER.");
  }
  const folder = process.env["JAKIRO_TEST_TOOLS"] || join(cacheDirectory(), "test-tools");
  const tools = {
    node: join(folder, "node_modules", "node", "bin", "node"),
    server: join(folder, "node_modules", "code-server", "lib", "vscode", "out", "server-main.js"),
    browser,
  };
  const wanted = join(repository, "test", "workbench", "tools", "package.json");
  const stamp = join(folder, "installed.json");
  const upToDate = existsSync(stamp) && readFileSync(stamp, "utf8") === readFileSync(wanted, "utf8");
  if (!upToDate || !existsSync(tools.server)) {
    install(folder, wanted);
    writeFileSync(stamp, readFileSync(wanted));
  }
  return tools;
}

function install(folder: string, manifest: string): void {
  console.log("Installing VS Code's server for the tests: this takes minutes, once.");
  mkdirSync(folder, { recursive: true });
  copyFileSync(manifest, join(folder, "package.json"));
  // The version check of code-server's install script knows one Node version only; the server runs on the Node beside it.
  const env = { ...process.env, FORCE_NODE_VERSION: String(process.versions.node.split(".")[0]) };
  const options = ["install", "--no-audit", "--no-fund", "--ignore-scripts=false"];
  const { status, stderr } = spawnSync("npm", options, { cwd: folder, env, encoding: "utf8", maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`VS Code's server could not be installed: ${stderr.slice(-2000)}`);
}
