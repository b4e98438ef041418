import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { EngineLogFile } from "./engineLog.ts";
import type { EngineRuntime } from "./engineRuntime.ts";

export interface EngineCommand {
  readonly script: string;
  readonly build: string;
  /** The process works in here, outside of every workspace. */
  readonly folder: string;
  /** See engineEnvironment. */
  readonly environment: NodeJS.ProcessEnv;
}

/** A process that was started, which says nothing yet about whether it answers. */
export interface EngineProcess {
  /** Resolves with how it ended, as part of a sentence: "with exit code 1". */
  readonly ended: Promise<string>;
  /** Bytes that the log had before it was started. */
  readonly logOffset: number;
  kill(): void;
}

/** Starts the engine so that it outlives this window and needs no shell. A process that cannot be started has `ended`. */
export async function startEngine(
  { script, build, folder, environment }: EngineCommand,
  runtime: EngineRuntime,
  logFile: EngineLogFile,
): Promise<EngineProcess> {
  await mkdir(folder, { recursive: true });
  const log = await logFile.open();
  try {
    const logOffset = (await log.stat()).size;
    const child = spawn(runtime.command, [script, "--build", build, "--log-file", logFile.path], {
      cwd: folder,
      env: { ...environment, ...runtime.environment },
      detached: true,
      shell: false,
      stdio: ["ignore", log.fd, log.fd],
      windowsHide: true,
    });
    child.unref();
    const ended = new Promise<string>((resolve) => {
      child.once("error", (error: NodeJS.ErrnoException) => resolve(`because it could not be run (${error.code})`));
      child.once("exit", (code, signal) => resolve(signal === null ? `with exit code ${code}` : `by ${signal}`));
    });
    return { ended, logOffset, kill: () => child.kill("SIGKILL") };
  } finally {
    await log.close();
  }
}

/** The environment without what the editor sets for itself, which would make another Node or Electron act up. */
export function engineEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => !/^(ELECTRON_|VSCODE_|NODE_OPTIONS$)/i.test(name));
  return Object.fromEntries(kept);
}

export interface EndingEngine {
  readonly processId: number;
  /** Asks it to end; nothing happens where it hangs or serves others. */
  askToEnd(): void;
}

const pollMs = 25;

/**
 * Ends a process, with rising force, waiting `patienceMs` after each step. Returns once it is gone, so that a successor does
 * not meet it at the socket, or when even force did not help. Rejects if `signal` fires.
 */
export async function endEngine(engine: EndingEngine, patienceMs: number, signal: AbortSignal): Promise<void> {
  const { processId } = engine;
  const steps = [() => engine.askToEnd(), () => send(processId, "SIGTERM"), () => send(processId, "SIGKILL")];
  for (const step of steps) {
    step();
    for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += pollMs) {
      if (!send(processId, 0)) return;
      await sleep(pollMs, undefined, { signal });
    }
  }
}

/** Whether there is a process to receive it. */
function send(processId: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(processId, signal);
  } catch {
    return false;
  }
}
