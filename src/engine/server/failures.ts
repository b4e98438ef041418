import { ErrorCodes, ResponseError } from "vscode-jsonrpc/node";
import { errorCodes, type FailureData } from "../../protocol/messages.ts";
import { JakiroError } from "../errors.ts";

/** RequestCancelled of the language server protocol. */
const requestCancelled = -32800;

export function cancelled(): ResponseError {
  return new ResponseError(requestCancelled, "The request was cancelled.");
}

export function yielded(): ResponseError {
  return new ResponseError(errorCodes.yielded, "The request gave way to a more urgent one.");
}

export function badParams(sentence: string): ResponseError {
  return new ResponseError(ErrorCodes.InvalidParams, sentence);
}

/** What a client is told of any failure; `log` hears of those that nobody foresaw. */
export function asResponse(error: unknown, log: (line: string) => void): ResponseError<FailureData | undefined> {
  if (error instanceof ResponseError) return error;
  if (error instanceof JakiroError) {
    const { kind, inEditor, remedy } = error;
    const data = remedy === undefined ? undefined : { remedy };
    return new ResponseError(kind === "model" ? errorCodes.model : errorCodes.failed, inEditor, data);
  }
  const reason = error instanceof Error ? error.message : String(error);
  log(`Unexpected: ${error instanceof Error ? (error.stack ?? reason) : reason}`);
  return new ResponseError(errorCodes.failed, `Something unexpected went wrong in the engine: ${reason}`);
}
