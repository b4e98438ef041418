import { NotificationType, NotificationType0, RequestType, RequestType0 } from "vscode-jsonrpc";

/**
 * What the editor and the engine process say to each other: JSON-RPC 2.0 over a Unix domain socket or a named pipe. A
 * connection begins with `hello` and `prove`, in which each side shows that it knows the secret; until then the server
 * answers nothing else and the client sends no text. Requests are cancelled as in the language server protocol.
 */

/** Codes of `ResponseError`s beside JSON-RPC's own; the message is one sentence for the user. */
export const errorCodes = {
  /** The other side does not know the secret, or something else was asked before it proved that it does. */
  notProven: -32001,
  /** No model was chosen yet. */
  noModel: -32002,
  /** The model or its head cannot be used. */
  model: -32003,
  /** The request was given up for a more urgent one; asking again later may succeed. */
  yielded: -32004,
  /** Anything else that the engine ran into. */
  failed: -32005,
} as const;

/**
 * What helps against a failure: another model, or the same one fetched again ("model"); removing model files, which are damaged or
 * take room on the disk that others need ("files"); another choice of head or device; starting the engine anew ("restart").
 */
export type RemedyName = "model" | "files" | "head" | "device" | "restart";

/** What a `ResponseError` holds beside its message. */
export interface FailureData {
  readonly remedy?: RemedyName;
}

/** 32 random bytes in hexadecimal, made anew for every connection. */
export type Nonce = string;

export interface HelloParams {
  readonly nonce: Nonce;
  /** What the client was built from; a server serves its own build alone. */
  readonly build: string;
}

export interface HelloResult {
  readonly nonce: Nonce;
  /** HMAC-SHA256 of "server", the client's nonce and the server's nonce, hexadecimal. */
  readonly proof: string;
}

export interface ProveParams {
  /** HMAC-SHA256 of "client", the client's nonce and the server's nonce, hexadecimal. */
  readonly proof: string;
}

export interface ProveResult {
  readonly processId: number;
  readonly state: EngineState;
}

export type Device = "auto" | "cpu" | "gpu";

/** Most minutes for which an idle engine keeps a model: a week. */
export const longestIdleMinutes = 7 * 24 * 60;

/** The user's choice, the same for all windows; the engine acts on what differs from the last one it was told. */
export interface EngineConfiguration {
  /** A GGUF file or a safetensors directory; absent while the user has chosen none. */
  readonly modelPath?: string;
  /** A head's folder or "none"; absent for the heads that ship with the model. */
  readonly head?: string;
  /** From a window in Restricted Mode, which has no say in the head: the one that another window chose for this model stays. */
  readonly restricted?: boolean;
  readonly device: Device;
  /** Part of the name of the GPU to use; absent for the best one that is none in software. */
  readonly gpuAdapter?: string;
  /** Minutes without a request after which the weights are released; 0 keeps them. */
  readonly idleMinutes: number;
}

/** A loaded model and what it costs on this machine. */
export interface ModelDescription {
  /** Catalogue name or file name. */
  readonly name: string;
  /** SHA-256 of the files that hold its weights, hexadecimal. */
  readonly weights: string;
  readonly device: "cpu" | "gpu";
  /** The GPU's name; absent on the processor. */
  readonly adapter?: string;
  /** Why it runs on the processor though a GPU would do as well, in one sentence. */
  readonly deviceReason?: string;
  /** Heads that draft for it; none: drafts come from earlier text alone. */
  readonly heads: readonly string[];
  /** It reads text after the cursor. */
  readonly infilling: boolean;
  /** It follows instructions in a chat format of its own. */
  readonly chat: boolean;
  readonly loadMs: number;
  /** Resident memory of the engine process. */
  readonly residentBytes: number;
  /** Plain decoding on this machine, measured at load: what speed-ups are against. */
  readonly plainTokensPerSecond: number;
  /** Milliseconds of a forward by rows, measured at load. */
  readonly forwardMs: readonly { readonly rows: number; readonly ms: number }[];
}

export type EngineState =
  | { readonly kind: "noModel" }
  | {
      readonly kind: "loading";
      readonly name: string;
      /** A model is prepared once: its weights are converted, which takes long. */
      readonly stage: "loading" | "preparing";
      /** 0 .. 1; absent where it is not known. */
      readonly progress?: number;
    }
  | { readonly kind: "ready"; readonly model: ModelDescription; readonly busy: boolean }
  /** The weights were released; the next request loads them again. */
  | { readonly kind: "released"; readonly name: string }
  | {
      /** The model that was chosen could not be loaded. */
      readonly kind: "failed";
      readonly name: string;
      readonly message: string;
      readonly remedy?: RemedyName;
      /** The model that goes on answering, where one does. */
      readonly serving?: string;
    };

/** "typed" comes before "generate", "generate" before "prefetch" and "warm": each waits for those before it, even when it has begun. */
export type Priority = "typed" | "generate" | "prefetch" | "warm";

export interface Snippet {
  /** Relative to the workspace, with "/". */
  readonly path: string;
  readonly text: string;
}

/** A document around a place in it. */
export interface DocumentParams {
  /** The document before and after the cursor, in its own line ends; either may be cut far from the cursor. */
  readonly prefix: string;
  readonly suffix: string;
  /** Relative to the workspace, with "/". */
  readonly path?: string;
  readonly languageId?: string;
  /** Pieces of other files, best first. */
  readonly snippets: readonly Snippet[];
}

/** Most columns between tab stops. */
export const longestTab = 64;

/** What the tab key writes in an editor. */
export interface EditorIndentation {
  readonly insertSpaces: boolean;
  /** Columns between tab stops, and the number of spaces instead: 1 to `longestTab`. */
  readonly tabSize: number;
}

/** A place where text is to be written. */
export interface WritingParams extends DocumentParams {
  /** For a document that does not show how it is indented. */
  readonly indentation?: EditorIndentation;
}

export interface CompleteParams extends WritingParams {
  /** Names this request in `progress`; unique within the connection. */
  readonly id: number;
  readonly priority: Extract<Priority, "typed" | "prefetch">;
  /** Longest completion, in tokens. */
  readonly maxTokens: number;
  /** Completions that begin with different tokens, best first; 1 where absent. */
  readonly alternatives?: number;
  /** Reports the text as it grows. */
  readonly progress: boolean;
}

/**
 * What the user should know of an answer: the model lacks tokens for infilling or a chat format, there was nothing before the
 * cursor to go on from, or text of a long file was left out.
 */
export type Note = "noInfilling" | "noChat" | "nothingBefore" | "cutAbove" | "cutBelow" | "cutAround";

export interface CompleteResult {
  /** What to insert at the cursor, in the document's line ends and indentation, best first; empty where there is nothing to insert. */
  readonly texts: readonly string[];
  /** Why the first of them ended: a stop rule's name, or how decoding ended. */
  readonly ending: string;
  readonly notes: readonly Note[];
  readonly statistics: RequestStatistics;
}

/** Reads a document's prompt into the KV cache before a completion is asked for. */
export type WarmParams = DocumentParams;

export interface GenerateParams extends WritingParams {
  readonly id: number;
  readonly instruction: string;
  /** The text that the result replaces, which stands between `prefix` and `suffix`; "" generates new text there. */
  readonly selection: string;
  readonly maxTokens: number;
  /** Draws an answer by chance, the same one for the same seed, from 0 to 2^53 - 1; absent for the most probable answer. */
  readonly seed?: number;
}

export interface GenerateResult {
  /** Code alone, in the document's line ends and indentation. */
  readonly text: string;
  /** It ended because `maxTokens` were reached. */
  readonly cut: boolean;
  readonly notes: readonly Note[];
  readonly statistics: RequestStatistics;
}

export interface RequestStatistics {
  readonly method: string;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Prompt tokens that stand for text after the cursor. */
  readonly suffixTokens: number;
  readonly completionTokens: number;
  readonly targetForwards: number;
  readonly draftForwards: number;
  readonly draftedTokens: number;
  /** Tokens committed per forward of the target. */
  readonly tau: number;
  /** Tokens after the first per second after the first; 0 where there was only one. */
  readonly tokensPerSecond: number;
  /** Index d - 1: walks that found children at depth d, and those that went on to one. */
  readonly offeredByDepth: readonly number[];
  readonly acceptedByDepth: readonly number[];
  readonly promptMs: number;
  readonly firstTokenMs: number;
  readonly draftMs: number;
  readonly verifyMs: number;
  readonly totalMs: number;
  /** Milliseconds the request waited for others before it began. */
  readonly waitedMs: number;
}

export interface ProgressParams {
  readonly id: number;
  /** The whole text so far; its last lines may still be taken back. */
  readonly text: string;
}

/** One round of draft, verify and accept, for whoever watches. */
export interface RoundParams {
  /** Verified tokens as text, root first. */
  readonly tokens: readonly string[];
  /** Index of each one's parent; -1 for the root. */
  readonly parents: readonly number[];
  /** Indices that were accepted, root first. */
  readonly accepted: readonly number[];
  /** Tokens this round committed. */
  readonly committed: number;
  readonly draftMs: number;
  readonly verifyMs: number;
}

export interface ObserveParams {
  /** Whether `round` is to be sent to this connection. */
  readonly rounds: boolean;
}

export const messages = {
  hello: new RequestType<HelloParams, HelloResult, void>("hello"),
  prove: new RequestType<ProveParams, ProveResult, void>("prove"),
  configure: new RequestType<EngineConfiguration, void, void>("configure"),
  complete: new RequestType<CompleteParams, CompleteResult, void>("complete"),
  warm: new RequestType<WarmParams, void, void>("warm"),
  generate: new RequestType<GenerateParams, GenerateResult, void>("generate"),
  observe: new RequestType<ObserveParams, void, void>("observe"),
  /** Releases the weights now. */
  release: new RequestType0<void, void>("release"),
  /** What runs in the engine process, as `jakiro doctor --json` prints it. */
  diagnose: new RequestType0<Readonly<Record<string, unknown>>, void>("diagnose"),
  /** Ends the process once every connection has closed, or now where this is the only one. */
  shutdown: new NotificationType0("shutdown"),
  state: new NotificationType<EngineState>("state"),
  progress: new NotificationType<ProgressParams>("progress"),
  round: new NotificationType<RoundParams>("round"),
} as const;
