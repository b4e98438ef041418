import { basename } from "node:path";
import { type CancellationToken, type Disposable, Emitter, type MessageConnection } from "vscode-jsonrpc/node";
import {
  type CompleteParams,
  type CompleteResult,
  type EngineConfiguration,
  type GenerateParams,
  type GenerateResult,
  messages,
  type RoundParams,
  type WarmParams,
} from "../protocol/messages.ts";
import { type Clock, systemClock } from "./clock.ts";
import { type ConnectionState, type EngineAccess, EngineFailure, type FailureRemedy } from "./engine.ts";
import { EngineBackoff } from "./engineBackoff.ts";
import { unlessCancelled } from "./engineCancellation.ts";
import type { EngineConnection } from "./engineConnection.ts";
import { EngineMeeting, FailedStart, type MeetingOptions, type MetEngine } from "./engineMeeting.ts";
import { type Culprit, endEngine } from "./engineProcess.ts";
import type { Localizer } from "./localizer.ts";

export interface EngineClientOptions extends MeetingOptions {
  /** Of the pauses between starts. */
  readonly clock?: Clock;
  /** What the model at a path needs of memory and what is free, as a sentence; undefined where that cannot be told. */
  readonly memoryOf?: (modelPath: string) => string | undefined;
  readonly l10n: Localizer;
}

/** The way to one engine that answers, which the window has taken or is taking. */
interface Attempt {
  readonly abort: AbortController;
  readonly connection: Promise<EngineConnection>;
}

interface End {
  /** A sentence without its full stop. */
  readonly why: string;
  /** Undefined where it never answered. */
  readonly servedMs: number | undefined;
  readonly culprit: Culprit;
  /** What it was doing: beginning to run the executable of this name, or loading a model. */
  readonly during?: { readonly executable: string } | "loading" | undefined;
}

/** The engine process as one window uses it: joins or starts it, brings it back when it ended, and asks it. */
export class EngineClient implements EngineAccess, Disposable {
  private current: ConnectionState = { kind: "noModel" };
  private configuration: EngineConfiguration | undefined;
  private roundsWanted = false;
  private attempt: Attempt | undefined;
  private live: EngineConnection | undefined;
  /** Resolves when processes that had to go are gone. */
  private ending: Promise<void> = Promise.resolve();
  private lastRequest = 0;
  private readonly lifetime = new AbortController();
  private readonly meeting: EngineMeeting;
  private readonly clock: Clock;
  private readonly backoff: EngineBackoff;
  private readonly stateEmitter = new Emitter<ConnectionState>();
  private readonly roundEmitter = new Emitter<RoundParams>();
  readonly onState = this.stateEmitter.event;
  readonly onRound = this.roundEmitter.event;

  constructor(private readonly options: EngineClientOptions) {
    this.meeting = new EngineMeeting(options);
    this.clock = options.clock ?? systemClock;
    this.backoff = new EngineBackoff(() => this.clock.now());
  }

  get state(): ConnectionState {
    return this.current;
  }

  complete(
    params: Omit<CompleteParams, "id" | "progress">,
    token: CancellationToken,
    onText?: (text: string) => void,
  ): Promise<CompleteResult | undefined> {
    const numbered = { ...params, id: ++this.lastRequest, progress: onText !== undefined };
    return this.ask((rpc) => rpc.sendRequest(messages.complete, numbered, token), token, numbered.id, onText);
  }

  async warm(params: WarmParams, token: CancellationToken): Promise<void> {
    await this.ask((rpc) => rpc.sendRequest(messages.warm, params, token), token);
  }

  generate(
    params: Omit<GenerateParams, "id">,
    token: CancellationToken,
    onText?: (text: string) => void,
  ): Promise<GenerateResult | undefined> {
    const numbered = { ...params, id: ++this.lastRequest };
    return this.ask((rpc) => rpc.sendRequest(messages.generate, numbered, token), token, numbered.id, onText);
  }

  configure(configuration: EngineConfiguration): void {
    this.configuration = configuration;
    if (this.live !== undefined) this.tellConfiguration(this.live);
    else if (this.attempt !== undefined) return;
    else if (this.current.kind === "stopped" && configuration.modelPath !== undefined) {
      this.backoff.reset();
      this.begin();
    } else this.setState(unstarted(configuration));
  }

  observeRounds(wanted: boolean): void {
    this.roundsWanted = wanted;
    if (this.live !== undefined) this.tellRoundsWanted(this.live);
  }

  /** Starts no engine: one that does not run holds no weights. */
  async release(): Promise<void> {
    await this.live?.ask((rpc) => rpc.sendRequest(messages.release));
  }

  diagnose(): Promise<Readonly<Record<string, unknown>> | undefined> {
    return this.ask((rpc) => rpc.sendRequest(messages.diagnose));
  }

  async restart(): Promise<void> {
    if (this.lifetime.signal.aborted) return;
    const previous = this.live;
    this.live = undefined;
    this.attempt?.abort.abort();
    this.backoff.reset();
    if (previous !== undefined) {
      const gone = endEngine(previous, this.meeting.timing.endMs, this.lifetime.signal)
        .catch(() => undefined)
        .finally(() => previous.dispose());
      this.ending = Promise.all([this.ending, gone]).then(() => undefined);
    }
    this.begin();
    await this.whenConnected();
  }

  /** Leaves the engine to the other windows; without any it ends by itself. */
  dispose(): void {
    this.lifetime.abort();
    this.attempt?.abort.abort();
    this.live?.dispose();
    this.live = undefined;
    this.stateEmitter.dispose();
    this.roundEmitter.dispose();
  }

  private async ask<Result>(
    send: (rpc: MessageConnection) => Promise<Result>,
    token?: CancellationToken,
    id = 0,
    onText?: (text: string) => void,
  ): Promise<Result | undefined> {
    const connection = await unlessCancelled(this.whenConnected(), token);
    if (connection === undefined) return undefined;
    const listening = onText && connection.onText(id, onText);
    try {
      return await connection.ask(send, token);
    } finally {
      listening?.dispose();
    }
  }

  /** The engine, started where none runs; undefined once this is disposed of. Rejects where it is stopped. */
  private async whenConnected(): Promise<EngineConnection | undefined> {
    while (!this.lifetime.signal.aborted) {
      if (this.current.kind === "stopped") throw new EngineFailure(this.current.message, this.current.remedy);
      const { connection, abort } = this.attempt ?? this.begin();
      try {
        return await connection;
      } catch (error) {
        // Another attempt has taken the place of one that was given up for it.
        if (!abort.signal.aborted) throw error;
      }
    }
    return undefined;
  }

  /** `lost` tells how the engine that served before ended. */
  private begin(lost?: (signal: AbortSignal) => Promise<End>): Attempt {
    const abort = new AbortController();
    const connection = this.connect(lost, abort.signal);
    // Who waits for it hears of its failure; maybe nobody does.
    connection.catch(() => undefined);
    this.attempt = { abort, connection };
    this.setState({ kind: "starting" });
    return this.attempt;
  }

  private async connect(
    lost: ((signal: AbortSignal) => Promise<End>) | undefined,
    signal: AbortSignal,
  ): Promise<EngineConnection> {
    await this.ending;
    if (lost !== undefined) await this.recoverFrom(await lost(signal), signal);
    for (;;) {
      try {
        signal.throwIfAborted();
        return this.adopt(await this.meeting.meet(signal), signal);
      } catch (error) {
        signal.throwIfAborted();
        const why = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
        const start = error instanceof FailedStart ? error : undefined;
        const culprit = start?.culprit ?? "itself";
        await this.recoverFrom({ why, servedMs: undefined, culprit, during: start }, signal);
      }
    }
  }

  /** Waits until the engine may be started again. Rejects where it ended too often. */
  private async recoverFrom(end: End, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { log } = this.options;
    const pauseMs = this.backoff.pauseAfterEnd(end.servedMs);
    if (pauseMs === undefined) {
      const message = this.lastMessage(end);
      log.info(message);
      this.attempt = undefined;
      const remedy = remedyFor(end);
      this.setState({ kind: "stopped", message, ...(remedy === undefined ? {} : { remedy }) });
      throw new EngineFailure(message, remedy);
    }
    log.info(`Engine: ${end.why}; it is started again in ${pauseMs / 1000} s.`);
    if (pauseMs > 0) await pause(this.clock, pauseMs, signal);
  }

  /** Why the engine stays off, and what to do. */
  private lastMessage({ why, culprit, during }: End): string {
    const { l10n, memoryOf } = this.options;
    if (culprit !== "others" || during === undefined)
      return l10n.t("The engine failed five times and stays off until you restart it; the last time, {0}.", why);
    if (during === "loading") {
      const modelPath = this.configuration?.modelPath;
      const sentence = l10n.t(
        "The engine failed five times and stays off: the system ended it while it loaded the model, for which the memory is probably short. Choose a smaller one, or make room and restart the engine.",
      );
      return [sentence, modelPath && memoryOf?.(modelPath)].filter(Boolean).join(" ");
    }
    return l10n.t(
      "The engine failed five times and stays off: security software may have stopped {0}. Allow it there and restart the engine; the last time, {1}.",
      during.executable,
      why,
    );
  }

  private adopt({ connection, epitaph }: MetEngine, signal: AbortSignal): EngineConnection {
    if (signal.aborted) connection.dispose();
    signal.throwIfAborted();
    if (connection.isLost) throw new Error("it ended as soon as it had answered");
    const since = this.clock.now();
    this.live = connection;
    connection.onState((state) => connection === this.live && this.setState(state));
    connection.onRound((round) => this.roundEmitter.fire(round));
    connection.onLost(() => {
      if (connection !== this.live) return;
      this.live = undefined;
      const servedMs = this.clock.now() - since;
      const wasLoading = connection.state.kind === "loading";
      this.begin(async (lostSignal) => {
        return { ...(await epitaph(lostSignal)), servedMs, during: wasLoading ? "loading" : undefined };
      });
    });
    this.tellConfiguration(connection);
    if (this.roundsWanted) this.tellRoundsWanted(connection);
    // A fresh engine has no model until it has read what was just told; nobody needs to see that.
    const isFresh = connection.state.kind === "noModel" && this.configuration?.modelPath !== undefined;
    if (!isFresh) this.setState(connection.state);
    return connection;
  }

  private tellConfiguration(connection: EngineConnection): void {
    const { configuration } = this;
    if (configuration === undefined) return;
    this.tell(connection, (rpc) => rpc.sendRequest(messages.configure, configuration));
  }

  private tellRoundsWanted(connection: EngineConnection): void {
    this.tell(connection, (rpc) => rpc.sendRequest(messages.observe, { rounds: this.roundsWanted }));
  }

  /** What goes wrong shows in the engine's state. */
  private tell(connection: EngineConnection, send: (rpc: MessageConnection) => Promise<void>): void {
    connection.ask(send).catch((error: Error) => {
      this.options.log.info(`Engine: ${error.message}`);
      if (connection === this.live) this.setState(connection.state);
    });
  }

  private setState(state: ConnectionState): void {
    if (state.kind === "starting" && this.current.kind === "starting") return;
    this.current = state;
    this.stateEmitter.fire(state);
  }
}

/** What helps where restarting is of no use: a smaller model where the memory is short, nothing where the processor is too old. */
function remedyFor({ culprit, during }: End): FailureRemedy | undefined {
  if (culprit === "processor") return "report";
  return culprit === "others" && during === "loading" ? "model" : undefined;
}

/** What the first request will find: an engine without the model in memory, or without a model. */
function unstarted({ modelPath }: EngineConfiguration): ConnectionState {
  return modelPath === undefined ? { kind: "noModel" } : { kind: "released", name: basename(modelPath) };
}

/** Rejects if the signal fires. */
function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, resolve);
    signal.addEventListener("abort", () => {
      cancel();
      reject(signal.reason);
    });
  });
}
