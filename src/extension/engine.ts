import type { CancellationToken, Event } from "vscode-jsonrpc";
import type {
  CompleteParams,
  CompleteResult,
  EngineConfiguration,
  EngineState,
  GenerateParams,
  GenerateResult,
  ModelDescription,
  RemedyName,
  RoundParams,
  WarmParams,
} from "../protocol/messages.ts";

/** What the engine does, as this window sees it: the engine's own state, or why there is no engine to ask. */
export type ConnectionState =
  | EngineState
  /** The process is being started or joined. */
  | { readonly kind: "starting" }
  | {
      /** It ended too often, or cannot be started. */
      readonly kind: "stopped";
      /** For the user: what happened and what to do. */
      readonly message: string;
      /** Absent: to restart it. */
      readonly remedy?: FailureRemedy;
    };

/** What helps against a failure of the engine: what it names itself, or to tell its makers ("report"). */
export type FailureRemedy = RemedyName | "report";

/** A failure as it is told of: one sentence for the user, and what helps where that is known. */
export interface Failure {
  readonly message: string;
  readonly remedy?: FailureRemedy | undefined;
}

/** A failure of the engine. */
export class EngineFailure extends Error implements Failure {
  constructor(
    message: string,
    readonly remedy: FailureRemedy | undefined,
  ) {
    super(message);
  }
}

/**
 * The engine as the rest of the extension knows it. Requests start the engine where none runs; those that were in flight when
 * it died resolve to undefined, and so do cancelled ones. Other failures reject with an EngineFailure.
 */
export interface EngineAccess {
  readonly state: ConnectionState;
  readonly onState: Event<ConnectionState>;
  readonly onRound: Event<RoundParams>;
  complete(
    params: Omit<CompleteParams, "id" | "progress">,
    token: CancellationToken,
    /** The whole text so far; its last lines may still be taken back. */
    onText?: (text: string) => void,
  ): Promise<CompleteResult | undefined>;
  warm(params: WarmParams, token: CancellationToken): Promise<void>;
  generate(
    params: Omit<GenerateParams, "id">,
    token: CancellationToken,
    onText?: (text: string) => void,
  ): Promise<GenerateResult | undefined>;
  /**
   * Tells the engine what the user chose; kept and told again to every engine that is started later. One that is stopped is
   * started again: the choice may be what it needed.
   */
  configure(configuration: EngineConfiguration): void;
  /** Whether `onRound` fires. */
  observeRounds(wanted: boolean): void;
  /** Releases the model's weights; the next request loads them again. */
  release(): Promise<void>;
  /** Ends the process, whoever uses it, and starts a new one. */
  restart(): Promise<void>;
  diagnose(): Promise<Readonly<Record<string, unknown>> | undefined>;
}

/**
 * Names the weights and where they run: what decides how a model writes, and how fast. Another file may have the same name, and
 * a head changes no text.
 */
export function writerOf({ weights, device, adapter = "" }: ModelDescription): string {
  return `${weights} ${device} ${adapter}`;
}

/** The same engine, whose requests go another way. */
export function engineWith(engine: EngineAccess, requests: Pick<EngineAccess, "complete" | "generate">): EngineAccess {
  return {
    get state() {
      return engine.state;
    },
    onState: engine.onState,
    onRound: engine.onRound,
    warm: (params, token) => engine.warm(params, token),
    configure: (configuration) => engine.configure(configuration),
    observeRounds: (wanted) => engine.observeRounds(wanted),
    release: () => engine.release(),
    restart: () => engine.restart(),
    diagnose: () => engine.diagnose(),
    ...requests,
  };
}
