import { RequestType, RequestType0 } from "vscode-jsonrpc";
import type { Priority, RequestStatistics } from "../../src/protocol/messages.ts";
import type { Moment } from "./page.ts";
import type { FunctionTime, Work } from "./profile.ts";

/** What the benchmark asks its witness in the extension host, over a socket of their own. */

/** Where an answer came from. */
export type AnswerSource =
  | "cache"
  /** A request that an earlier keystroke had sent. */
  | "joined"
  /** A request of its own. */
  | "asked"
  /** Nowhere: it was given up, or nothing is to be suggested there. */
  | "none";

/** One call of the provider by the editor. */
export interface SeenAsk {
  readonly at: Moment;
  /** The cursor, zero-based. */
  readonly line: number;
  readonly character: number;
  source: AnswerSource;
  /** Of the request it sent or joined. */
  request?: number;
  /** When it returned, and what was to be inserted at the cursor; undefined while it waits. */
  answer?: { readonly at: Moment; readonly text: string | undefined; readonly isCancelled: boolean };
}

/** One request to the engine. */
export interface SeenRequest {
  readonly id: number;
  readonly priority: Priority;
  readonly sentAt: Moment;
  firstTextAt?: Moment;
  endedAt?: Moment;
  /** Absent where it was cancelled. */
  statistics?: RequestStatistics;
}

export interface SeenInHost {
  readonly asks: readonly SeenAsk[];
  readonly requests: readonly SeenRequest[];
  /** When the host's thread ran the extension's code, and for how many milliseconds; by a sampling profiler. */
  readonly work: readonly Work[];
  /** In which of its functions, the longest first. */
  readonly functions: readonly FunctionTime[];
}

export interface OpenParams {
  readonly path: string;
  readonly line: number;
  readonly character: number;
}

export interface HostDescription {
  readonly vscode: string;
  readonly model: string;
  readonly heads: readonly string[];
  readonly engineProcess: number;
}

export const witness = {
  /** Loads the model. */
  describe: new RequestType0<HostDescription, void>("describe"),
  /** Puts the cursor into a file and begins to watch once what is done ahead of typing is done. */
  open: new RequestType<OpenParams, void, void>("open"),
  /** The document's text once nothing is at work any more. */
  settle: new RequestType0<string, void>("settle"),
  /** Ends watching. */
  take: new RequestType0<SeenInHost, void>("take"),
  /** To whom the extension host's process wanted to speak, other than on this machine. */
  connections: new RequestType0<string[], void>("connections"),
  end: new RequestType0<void, void>("end"),
} as const;
