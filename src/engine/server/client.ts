import type { CancellationToken } from "vscode-jsonrpc/node";
import type { DocumentParams, ProgressParams, RoundParams } from "../../protocol/messages.ts";
import type { DocumentRequest, SharedDecoding } from "../complete.ts";
import type { Round } from "../decoding/decoder.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import type { LoadedModel } from "./loadedModel.ts";
import type { ModelHost } from "./modelHost.ts";
import type { ActiveRequest, Requests } from "./requests.ts";

/** A window as request handlers see it; also the owner of its requests. */
export interface Client {
  readonly requests: Requests;
  readonly host: ModelHost<LoadedModel>;
  /** Whether it wants to hear of the rounds of its own requests. */
  readonly observesRounds: boolean;
  sendProgress(progress: ProgressParams): void;
  sendRound(round: RoundParams): void;
}

/** Answers one kind of request; rejects with a ResponseError or what `asResponse` makes one of. */
export type Handler<Params, Result> = (params: Params, token: CancellationToken, client: Client) => Promise<Result>;

export function documentRequest(params: DocumentParams, maxTokens: number): DocumentRequest {
  const { prefix, suffix, path, languageId, snippets } = params;
  return { prefix, suffix, path, languageId, snippets, maxTokens };
}

/** How a request's decoding shares the device with others and tells of itself. */
export function sharedDecoding(request: ActiveRequest, model: LoadedModel, client: Client): Required<SharedDecoding> {
  return {
    signal: request.signal,
    turn: request.turn,
    prefillRows: model.prefillRows,
    watched: () => client.observesRounds,
    onRound(round) {
      if (client.observesRounds) client.sendRound(describeRound(round, model.engine.tokenizer));
    },
  };
}

/** Passes on text that has changed. */
export function progressOf(id: number, client: Client): (text: string) => void {
  let last = "";
  return (text) => {
    if (text !== last) client.sendProgress({ id, text });
    last = text;
  };
}

function describeRound({ rows, accepted, draftMs, verifyMs }: Round, tokenizer: Tokenizer): RoundParams {
  const decoder = new TextDecoder();
  return {
    tokens: Array.from(rows.tokens, (token) => decoder.decode(tokenizer.bytes(token))),
    parents: Array.from(rows.parents),
    accepted: accepted.path,
    committed: accepted.tokens.length,
    draftMs,
    verifyMs,
  };
}
