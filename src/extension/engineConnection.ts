import {
  type CancellationToken,
  type Disposable,
  Emitter,
  ErrorCodes,
  type MessageConnection,
  ResponseError,
} from "vscode-jsonrpc/node";
import {
  type EngineState,
  errorCodes,
  type FailureData,
  messages,
  type ProgressParams,
  type ProveResult,
  type RoundParams,
} from "../protocol/messages.ts";
import { EngineFailure } from "./engine.ts";
import { unlessCancelled } from "./engineCancellation.ts";

type TextListener = (text: ProgressParams["text"]) => void;

/** A connection over which both sides have proven who they are, until it is lost or disposed of. */
export class EngineConnection implements Disposable {
  readonly processId: number;
  private lost = false;
  private latestState: EngineState;
  private readonly stateEmitter = new Emitter<EngineState>();
  private readonly roundEmitter = new Emitter<RoundParams>();
  private readonly lostEmitter = new Emitter<void>();
  private readonly textListeners = new Map<number, TextListener>();

  constructor(
    private readonly rpc: MessageConnection,
    { processId, state }: ProveResult,
  ) {
    this.processId = processId;
    this.latestState = state;
    rpc.onNotification(messages.state, (next) => {
      this.latestState = next;
      this.stateEmitter.fire(next);
    });
    rpc.onNotification(messages.round, (round) => this.roundEmitter.fire(round));
    rpc.onNotification(messages.progress, ({ id, text }) => this.textListeners.get(id)?.(text));
    rpc.onClose(() => this.lose());
    // After a broken message the place where the next one begins is unknown.
    rpc.onError(() => this.lose());
  }

  get state(): EngineState {
    return this.latestState;
  }

  get isLost(): boolean {
    return this.lost;
  }

  readonly onState = this.stateEmitter.event;
  readonly onRound = this.roundEmitter.event;
  /** Fires once, unless it was disposed of before. */
  readonly onLost = this.lostEmitter.event;

  /** Hears the growing text of the request that is called `id`. */
  onText(id: number, listener: TextListener): Disposable {
    this.textListeners.set(id, listener);
    return { dispose: () => this.textListeners.delete(id) };
  }

  /**
   * The engine's answer to what `send` asks; undefined where it yielded to a more urgent request, the token was cancelled or
   * the connection was lost. Rejects with an EngineFailure. A cancelled request is not waited for: the
   * engine takes as long as one forward to notice.
   */
  async ask<Result>(
    send: (rpc: MessageConnection) => Promise<Result>,
    token?: CancellationToken,
  ): Promise<Result | undefined> {
    if (this.lost || token?.isCancellationRequested) return undefined;
    const answer = send(this.rpc).catch((error: unknown) => {
      if (isSilent(error)) return undefined;
      throw failureOf(error);
    });
    return unlessCancelled(answer, token);
  }

  /** Asks the process to end; it goes on where it serves others or hangs. */
  askToEnd(): void {
    if (!this.lost) this.rpc.sendNotification(messages.shutdown).catch(() => undefined);
  }

  dispose(): void {
    this.lost = true;
    this.rpc.dispose();
    for (const emitter of [this.stateEmitter, this.roundEmitter, this.lostEmitter]) emitter.dispose();
    this.textListeners.clear();
  }

  private lose(): void {
    if (this.lost) return;
    this.lost = true;
    // What waits for an answer would wait for ever.
    this.rpc.dispose();
    this.lostEmitter.fire();
  }
}

function failureOf(error: unknown): EngineFailure {
  const { remedy } = (error instanceof ResponseError ? (error.data as FailureData | undefined) : undefined) ?? {};
  return new EngineFailure(error instanceof Error ? error.message : String(error), remedy);
}

const silentCodes: readonly number[] = [
  errorCodes.yielded,
  ErrorCodes.PendingResponseRejected,
  ErrorCodes.MessageWriteError,
];

/** Whether a request ended without a result that anybody could act on: for something more urgent, or with the connection. */
function isSilent(error: unknown): boolean {
  return error instanceof ResponseError && silentCodes.includes(error.code);
}
