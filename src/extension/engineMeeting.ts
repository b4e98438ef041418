import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { acquireLock } from "../engine/model/fileLock.ts";
import { prepareFolder, readSecret, rendezvousOf } from "../protocol/rendezvous.ts";
import type { EngineConnection } from "./engineConnection.ts";
import { knock } from "./engineHandshake.ts";
import { EngineLogFile, type LogSink } from "./engineLog.ts";
import { type Culprit, type EngineProcess, engineEnvironment, type ProcessEnd, startEngine } from "./engineProcess.ts";
import { type RuntimeChoice, resolveRuntime, runtimeMachine } from "./engineRuntime.ts";

/** Milliseconds. */
export interface EngineTiming {
  /** For whoever listens at a socket to prove to be our engine, which may be amid a long forward. */
  readonly answerMs: number;
  /** For a process to answer after it was started; security software may read all of it first. */
  readonly startMs: number;
  readonly pollMs: number;
  /** For a process to end after it was asked to, before it is forced. */
  readonly endMs: number;
}

export const defaultTiming: EngineTiming = { answerMs: 10_000, startMs: 30_000, pollMs: 50, endMs: 1_000 };

export interface MeetingOptions {
  /** The engine's bundle, beside which its own Node may lie. */
  readonly engineScript: string;
  /** The extension's global storage. */
  readonly storageFolder: string;
  /** Asked before every start. */
  readonly runtime: () => RuntimeChoice;
  readonly log: LogSink;
  readonly environment?: NodeJS.ProcessEnv;
  readonly timing?: Partial<EngineTiming>;
}

/** How an engine ended that had answered. */
export interface Epitaph {
  /** A sentence without its full stop. */
  readonly why: string;
  readonly culprit: Culprit;
}

/** An engine that answers. */
export interface MetEngine {
  readonly connection: EngineConnection;
  /** To be asked after the connection was lost. Never rejects. */
  epitaph(signal: AbortSignal): Promise<Epitaph>;
}

/** The engine ended before it answered. */
export class FailedStart extends Error {
  /** @param executable its file name */
  constructor(
    message: string,
    readonly culprit: Culprit,
    readonly executable: string,
  ) {
    super(message);
  }
}

/** Joins the engine of this build that serves another window, or starts one where there is none. */
export class EngineMeeting {
  readonly timing: EngineTiming;
  private readonly environment: NodeJS.ProcessEnv;
  private readonly logFile: EngineLogFile;

  constructor(private readonly options: MeetingOptions) {
    this.timing = { ...defaultTiming, ...options.timing };
    this.environment = engineEnvironment(options.environment ?? process.env);
    this.logFile = new EngineLogFile(options.storageFolder);
  }

  /**
   * Returns once the engine answered. Rejects with an Error that says why it does not, in one sentence without its full stop,
   * a FailedStart where it ended, or with the signal's reason.
   */
  async meet(signal: AbortSignal): Promise<MetEngine> {
    const build = await buildOf(this.options.engineScript);
    const place = rendezvousOf(build, { runtimeFolder: this.environment["XDG_RUNTIME_DIR"] });
    await prepareFolder(place.folder);
    const introduction = { build, secret: await readSecret(place.secret), answerMs: this.timing.answerMs };
    const strangers = new Set<string>();
    const look = async (): Promise<EngineConnection | undefined> => {
      for (const socket of place.sockets) {
        if (strangers.has(socket)) continue;
        const met = await knock(socket, introduction, signal);
        if (met === "stranger") {
          strangers.add(socket);
          this.options.log.info("Engine: whoever listens at its socket is a stranger; looking at the next one.");
        } else if (met !== "nobody") return met;
      }
      return undefined;
    };

    const found = await look();
    if (found !== undefined) return this.joined(found);
    const lock = await acquireLock(place.lock, { signal });
    try {
      const startedMeanwhile = await look();
      if (startedMeanwhile !== undefined) return await this.joined(startedMeanwhile);
      return await this.start(build, look, signal);
    } finally {
      await lock.release();
    }
  }

  private async start(
    build: string,
    look: () => Promise<EngineConnection | undefined>,
    signal: AbortSignal,
  ): Promise<MetEngine> {
    const { engineScript: script, storageFolder: folder, log } = this.options;
    await mkdir(folder, { recursive: true });
    const runtime = await resolveRuntime(script, this.options.runtime(), runtimeMachine(folder, this.environment), log);
    signal.throwIfAborted();
    const child = await startEngine({ script, build, folder, environment: this.environment }, runtime, this.logFile);
    const connection = await this.answerOf(child, basename(runtime.command), look, signal).catch((error: unknown) => {
      // The next start would meet it at the socket.
      child.kill();
      throw error;
    });
    log.info(`Engine: process ${connection.processId} was started and answers.`);
    return { connection, epitaph: (over) => this.epitaphOf(child, over) };
  }

  private async answerOf(
    child: EngineProcess,
    executable: string,
    look: () => Promise<EngineConnection | undefined>,
    signal: AbortSignal,
  ): Promise<EngineConnection> {
    const { startMs, pollMs } = this.timing;
    const deadline = performance.now() + startMs;
    let end: ProcessEnd | undefined;
    const ended = child.ended.then((how) => {
      end = how;
    });
    for (;;) {
      const connection = await look();
      if (connection !== undefined) return connection;
      if (end !== undefined) {
        const why = await this.withLastWords(`it ended ${end.how} before it answered`, child.logOffset);
        throw new FailedStart(why, end.culprit, executable);
      }
      if (performance.now() > deadline) {
        throw new Error(await this.withLastWords(`it did not answer within ${startMs / 1000} s`, child.logOffset));
      }
      await Promise.race([sleep(pollMs, undefined, { signal }), ended]);
    }
  }

  private async joined(connection: EngineConnection): Promise<MetEngine> {
    this.options.log.info(`Engine: joined process ${connection.processId}, which another window started.`);
    const offset = await this.logFile.size();
    return {
      connection,
      epitaph: async () => ({ why: await this.withLastWords("it ended", offset), culprit: "itself" }),
    };
  }

  /** The process is reported as ended a little later than its connection. */
  private async epitaphOf(child: EngineProcess, signal: AbortSignal): Promise<Epitaph> {
    const patience = sleep(this.timing.endMs, undefined, { signal, ref: false }).catch(() => undefined);
    const end = await Promise.race([child.ended, patience]);
    const what = end === undefined ? "it closed the connection" : `it ended ${end.how}`;
    return { why: await this.withLastWords(what, child.logOffset), culprit: end?.culprit ?? "itself" };
  }

  private async withLastWords(what: string, logOffset: number): Promise<string> {
    const words = await this.logFile.lastWords(logOffset);
    return words === "" ? what : `${what}; its last words: ${words}`;
  }
}

/** Names what the engine was built from: windows with another bundle have an engine of their own. */
async function buildOf(engineScript: string): Promise<string> {
  const content = await readFile(engineScript).catch(() => {
    throw new Error("the extension is incomplete and must be installed again: it has no engine");
  });
  return createHash("sha256").update(content).digest("hex");
}
