import { execFile } from "node:child_process";
import { posix, win32 } from "node:path";
import type { LogSink } from "./engineLog.ts";
import { executableName, executablesOnPath, type MachineFiles, machineFiles } from "./searchPath.ts";

/** What the engine's script is run with. */
export interface EngineRuntime {
  /** Absolute path of an executable. */
  readonly command: string;
  /** Variables it needs beside the environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** For people; holds no path. */
  readonly name: string;
}

/** What the user and the window have to say about the runtime. */
export interface RuntimeChoice {
  /** The Node executable from the settings. */
  readonly setting?: string | undefined;
  /** No executable from in here is ever run. */
  readonly workspaceFolders: readonly string[];
  /** In restricted mode only what ships with the extension or the editor is run. */
  readonly trusted: boolean;
}

/** What the machine has; the real one is `runtimeMachine`. */
export interface RuntimeMachine extends MachineFiles {
  /** The executable that runs this code, and whether it is Electron rather than Node. */
  readonly editor: { readonly path: string; readonly electron: boolean };
  /** What the executable prints for --version; undefined where it cannot be run. */
  version(path: string): Promise<string | undefined>;
}

const oldestMajor = 20;
const versionMs = 10_000;

/**
 * Finds what to run the engine with: the setting, the Node that ships beside `engineScript`, `node` on PATH, the editor
 * itself. Each is tried out, since a Node that ships may not run here (another C library, a mount without execution).
 */
export async function resolveRuntime(
  engineScript: string,
  { setting, workspaceFolders, trusted }: RuntimeChoice,
  machine: RuntimeMachine,
  log: LogSink,
): Promise<EngineRuntime> {
  const path = machine.platform === "win32" ? win32 : posix;

  const attempt = async (name: string, command: string): Promise<EngineRuntime | undefined> => {
    const refusal = await reasonAgainst(command, machine);
    if (refusal !== undefined) return passOver(name, refusal, command);
    return choose({ command, environment: {}, name });
  };
  const passOver = (name: string, reason: string, command = ""): undefined => {
    log.info(`Engine runtime: ${name} is passed over: ${reason}.`);
    if (command !== "") log.trace(`Engine runtime: passed over ${command}`);
  };
  const choose = (runtime: EngineRuntime): EngineRuntime => {
    log.info(`Engine runtime: ${runtime.name}.`);
    log.trace(`Engine runtime: ${runtime.command}`);
    return runtime;
  };

  const fromSetting = async () => {
    const name = "the Node in the settings";
    if (!setting) return passOver(name, "none is set");
    if (!trusted) return passOver(name, "the workspace is not trusted");
    if (!path.isAbsolute(setting)) return passOver(name, "its path is not absolute", setting);
    return attempt(name, setting);
  };
  const fromSearchPath = async () => {
    const name = "node on PATH";
    if (!trusted) return passOver(name, "the workspace is not trusted");
    const passedOver = (reason: string, command: string) => passOver(name, reason, command);
    for await (const command of executablesOnPath("node", workspaceFolders, machine, passedOver)) {
      const runtime = await attempt(name, command);
      if (runtime !== undefined) return runtime;
    }
    return passOver(name, "no other entry of PATH has one");
  };
  const shipped = path.join(
    path.dirname(engineScript),
    "node",
    ...(machine.platform === "win32" ? [] : ["bin"]),
    executableName("node", machine.platform),
  );
  return (
    (await fromSetting()) ??
    (await attempt("the Node that ships with the extension", shipped)) ??
    (await fromSearchPath()) ??
    choose({
      command: machine.editor.path,
      environment: { ELECTRON_RUN_AS_NODE: "1" },
      name: machine.editor.electron ? "VS Code's own executable (CPU only)" : "VS Code's own Node",
    })
  );
}

async function reasonAgainst(command: string, machine: RuntimeMachine): Promise<string | undefined> {
  if (!(await machine.isExecutable(command))) return "there is no such file that may be executed";
  const version = await machine.version(command);
  const major = /^v(\d+)\./.exec(version ?? "")?.[1];
  if (major === undefined) return "it cannot be run";
  return Number(major) < oldestMajor ? `version ${oldestMajor} or later is needed, and it is ${version}` : undefined;
}

/** This machine. Executables are tried out in `folder`, as version managers choose by the working directory. */
export function runtimeMachine(folder: string, environment: NodeJS.ProcessEnv): RuntimeMachine {
  return {
    ...machineFiles(environment),
    editor: { path: process.execPath, electron: process.versions["electron"] !== undefined },
    version: (command) =>
      new Promise((resolve) => {
        const options = { cwd: folder, env: environment, timeout: versionMs, windowsHide: true };
        execFile(command, ["--version"], options, (error, output) => resolve(error ? undefined : output.trim()));
      }),
  };
}
