import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { type WorkbenchTools, workbenchTools } from "./tools.ts";

export interface WorkbenchOptions {
  /** The user's settings beside those that keep the workbench quiet. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Variables of the server, its extension hosts and the engines they start. */
  readonly env?: Readonly<Record<string, string>>;
  /** As users have it: notifications appear, but no extension can be run from its sources. */
  readonly asShipped?: boolean;
  /** Runs the server and its extension hosts, in place of the tools' own Node. */
  readonly node?: string;
}

export interface WindowOptions {
  /** A folder or a .code-workspace file. */
  readonly folder: string;
  /** Folder of an extension that is run from its sources' build. */
  readonly extension?: string;
  /** A module whose `run` the extension host calls; its promise decides how the window's `exit` resolves. */
  readonly tests?: string;
}

export interface WorkbenchWindow {
  readonly page: Page;
  /** Exit code of the tests; log lines come before. */
  readonly exit: Promise<number>;
  /** What the window's code wrote to its console, errors included. */
  readonly log: string[];
  /** Addresses outside of this machine that the window asked for; it got no answer. */
  readonly foreignRequests: readonly string[];
}

/** No welcome, no updates, no chat, no network: what is seen and measured is the extension. */
const quietSettings = {
  "telemetry.telemetryLevel": "off",
  "update.mode": "none",
  "extensions.autoCheckUpdates": false,
  "extensions.ignoreRecommendations": true,
  "workbench.startupEditor": "none",
  "workbench.enableExperiments": false,
  "chat.disableAIFeatures": true,
  "security.workspace.trust.enabled": false,
  "git.enabled": false,
  "files.autoSave": "off",
  "editor.fontFamily": "monospace",
  "window.restoreWindows": "none",
};

const startDeadlineMs = 60_000;

const browserArguments = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  // Neither the browser nor the editor in it looks for anybody outside of this machine.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/** A real VS Code: its server on this machine, its windows in a headless browser. Everything it writes is gone when it is closed. */
export class Workbench {
  private browser: Promise<Browser> | undefined;

  private constructor(
    private readonly tools: WorkbenchTools,
    private readonly server: ChildProcess,
    readonly port: number,
    /** Holds the user's settings, extensions and logs. */
    readonly dataFolder: string,
    readonly serverLog: string[],
  ) {}

  static async start({ settings = {}, env = {}, asShipped = false, node }: WorkbenchOptions = {}): Promise<Workbench> {
    const tools = workbenchTools();
    const dataFolder = mkdtempSync(join(tmpdir(), "jakiro-workbench-"));
    const user = join(dataFolder, "data", "User");
    mkdirSync(user, { recursive: true });
    writeFileSync(join(user, "settings.json"), JSON.stringify({ ...quietSettings, ...settings }));
    // What a remote machine sets for all who work on it.
    const machineSettings = join(dataFolder, "data", "Machine", "settings.json");
    const port = await freePort();
    const argv = ["--host", "127.0.0.1", "--port", String(port), "--without-connection-token"];
    argv.push("--accept-server-license-terms", "--telemetry-level", "off");
    if (!asShipped) argv.push("--enable-smoke-test-driver");
    argv.push("--server-data-dir", dataFolder);
    // Extension hosts are started by the path of this process, which a script that runs Node is not.
    const path = node && `--import=data:text/javascript,process.execPath=${encodeURIComponent(JSON.stringify(node))}`;
    const server = spawn(node ?? tools.node, [...(path === undefined ? [] : [path]), tools.server, ...argv], {
      env: { ...process.env, JAKIRO_TEST_MACHINE_SETTINGS: machineSettings, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const log: string[] = [];
    const listening = new Promise<void>((resolve, reject) => {
      const hear = (chunk: Buffer) => {
        log.push(String(chunk));
        if (/Extension host agent listening|available at/.test(String(chunk))) resolve();
      };
      server.stdout.on("data", hear);
      server.stderr.on("data", hear);
      server.once("exit", (code) => reject(new Error(`VS Code's server ended with ${code}:\n${log.join("")}`)));
      setTimeout(() => reject(new Error(`VS Code's server did not start:\n${log.join("")}`)), startDeadlineMs).unref();
    });
    const workbench = new Workbench(tools, server, port, dataFolder, log);
    try {
      await listening;
    } catch (error) {
      await workbench.close();
      throw error;
    }
    return workbench;
  }

  /** Runs one of the server's own commands, such as installing a VSIX, before windows are opened. */
  async serverCommand(argv: readonly string[]): Promise<string> {
    const child = spawn(this.tools.node, [this.tools.server, "--server-data-dir", this.dataFolder, ...argv], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const output: string[] = [];
    child.stdout.on("data", (chunk) => output.push(String(chunk)));
    child.stderr.on("data", (chunk) => output.push(String(chunk)));
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`VS Code's server ended with ${code}:\n${output.join("")}`);
    return output.join("");
  }

  /** Opens a window of its own session: nothing but the server's data is shared with other windows. */
  async open({ folder, extension, tests }: WindowOptions): Promise<WorkbenchWindow> {
    this.browser ??= chromium.launch({ executablePath: this.tools.browser, args: browserArguments });
    const page = await (await this.browser).newPage({
      viewport: { width: 1280, height: 800 },
      permissions: ["clipboard-read", "clipboard-write"],
    });
    const log: string[] = [];
    await page.exposeFunction("codeAutomationLog", (level: string, args: unknown[]) =>
      log.push(`${level} ${args.join(" ")}`),
    );
    const foreignRequests: string[] = [];
    page.on("request", (request) => {
      const { protocol, hostname } = new URL(request.url());
      if (/^(https?|wss?):$/.test(protocol) && hostname !== "127.0.0.1") foreignRequests.push(request.url());
    });
    const exit = new Promise<number>((resolve) => {
      void page.exposeFunction("codeAutomationExit", (code: number) => resolve(code));
    });
    const isWorkspaceFile = folder.endsWith(".code-workspace");
    const remote = `vscode-remote://127.0.0.1:${this.port}`;
    const payload = [
      ["skipWelcome", "true"],
      ...(extension === undefined ? [] : [["extensionDevelopmentPath", `${remote}${extension}`]]),
      ...(tests === undefined ? [] : [["extensionTestsPath", `${remote}${tests}`]]),
    ];
    const query = new URLSearchParams({
      [isWorkspaceFile ? "workspace" : "folder"]: folder,
      payload: JSON.stringify(payload),
    });
    await page.goto(`http://127.0.0.1:${this.port}/?${query}`);
    return { page, exit, log, foreignRequests };
  }

  async close(): Promise<void> {
    await (await this.browser)?.close();
    if (this.server.exitCode === null && this.server.signalCode === null) {
      const { pid } = this.server;
      // Extension hosts would outlive it for a moment and start engines anew that were ended meanwhile.
      const hosts = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
      const ended = once(this.server, "exit");
      this.server.kill("SIGKILL");
      await ended;
      for (const host of hosts.split(" ").filter((id) => id !== "")) endNow(Number(host));
    }
    rmSync(this.dataFolder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function endNow(processId: number): void {
  try {
    process.kill(processId, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
