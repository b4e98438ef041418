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

/**
 * What brought a process to its end: perhaps itself, others, where its executable could not be run or the system or a program on it
 * ended it, or a processor that lacks an instruction.
 */
export type Culprit = "itself" | "others" | "processor";

/** How a process ended. */
export interface ProcessEnd {
  /** Part of a sentence: "with exit code 1". */
  readonly how: string;
  readonly culprit: Culprit;
}

/** A process that was started, which says nothing yet about whether it answers. */
export interface EngineProcess {
  readonly ended: Promise<ProcessEnd>;
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
    const ended = new Promise<ProcessEnd>((resolve) => {
      child.once("error", (error) => resolve(notRun(error)));
      child.once("exit", (code, signal) => resolve(endOf(code, signal)));
    });
    return { ended, logOffset, kill: () => child.kill("SIGKILL") };
  } catch (error) {
    // Node throws some of the system's refusals and reports others.
    const refusal = error as NodeJS.ErrnoException;
    if (!refusal.syscall?.startsWith("spawn")) throw error;
    return { ended: Promise.resolve(notRun(refusal)), logOffset: await logFile.size(), kill: () => undefined };
  } finally {
    await log.close();
  }
}

/** The executable was tried out before: that it cannot be run now is not its own fault. */
function notRun({ code }: NodeJS.ErrnoException): ProcessEnd {
  return { how: `because it could not be run (${code})`, culprit: "others" };
}

/** NTSTATUS codes with which Windows keeps an executable from running, or ends a process for want of memory: no crash of its own. */
const refusals = new Set([
  0xc0000017, // no memory
  0xc0000022, // access denied
  0xc000012d, // commitment limit
  0xc0000428, // invalid image hash
  0xc0000906, // virus infected
  0xc0000907, // virus deleted
]);
const leastStatus = 0xc0000000;
/** Of an instruction that the processor does not have. */
const illegalInstruction = 0xc000001d;

/** How a process ended that had begun. */
export function endOf(code: number | null, signal: NodeJS.Signals | null): ProcessEnd {
  const status = (code ?? 0) >>> 0;
  if (signal === "SIGILL" || status === illegalInstruction)
    return { how: "at an instruction that this processor does not have", culprit: "processor" };
  if (signal !== null) return { how: `by ${signal}`, culprit: signal === "SIGKILL" ? "others" : "itself" };
  if (status < leastStatus) return { how: `with exit code ${code}`, culprit: "itself" };
  const culprit = refusals.has(status) ? "others" : "itself";
  return { how: `with exit code 0x${status.toString(16).toUpperCase()}`, culprit };
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
