import { connect, type Socket } from "node:net";
import { createMessageConnection, SocketMessageReader, SocketMessageWriter } from "vscode-jsonrpc/node";
import { messages } from "../protocol/messages.ts";
import { isProof, newNonce, proofOf } from "../protocol/rendezvous.ts";
import { EngineConnection } from "./engineConnection.ts";

export interface Introduction {
  readonly build: string;
  readonly secret: string;
  /** Milliseconds for the other side to prove who it is. */
  readonly answerMs: number;
}

/**
 * An engine of ours; a stranger, who listens but proves nothing; or nobody, which includes a process that ends while it is
 * being asked, since its successor may listen at the same place.
 */
export type Met = EngineConnection | "stranger" | "nobody";

/** Connects to a socket or named pipe. Until both sides have proven who they are, only nonces, proofs and the build are sent. */
export async function knock(path: string, introduction: Introduction, signal: AbortSignal): Promise<Met> {
  signal.throwIfAborted();
  const socket = connect(path);
  let late = false;
  const hangUp = () => socket.destroy();
  const deadline = setTimeout(() => {
    late = true;
    hangUp();
  }, introduction.answerMs);
  signal.addEventListener("abort", hangUp, { once: true });
  const met = (await isOpened(socket)) ? await introduce(socket, introduction) : "nobody";
  clearTimeout(deadline);
  signal.removeEventListener("abort", hangUp);
  signal.throwIfAborted();
  return met === "nobody" && late ? "stranger" : met;
}

function isOpened(socket: Socket): Promise<boolean> {
  // Stays: an error that nobody hears would end this process. "close" follows.
  socket.on("error", () => undefined);
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("close", () => resolve(false));
  });
}

/** Never rejects. */
async function introduce(socket: Socket, { build, secret }: Introduction): Promise<Met> {
  const reader = new SocketMessageReader(socket);
  // Its timer would outlive the connection, and nobody listens to it.
  reader.partialMessageTimeout = 0;
  const rpc = createMessageConnection(reader, new SocketMessageWriter(socket));
  let gone = false;
  const hangUp = () => {
    gone = true;
    rpc.dispose();
  };
  const listeners = [rpc.onClose(hangUp), rpc.onError(hangUp)];
  try {
    rpc.listen();
    const nonce = newNonce();
    const { nonce: theirs, proof } = await rpc.sendRequest(messages.hello, { nonce, build });
    if (isProof(proofOf(secret, "server", nonce, theirs), proof)) {
      const proven = await rpc.sendRequest(messages.prove, { proof: proofOf(secret, "client", nonce, theirs) });
      return new EngineConnection(rpc, proven);
    }
  } catch {
    if (gone) return "nobody";
  } finally {
    for (const listener of listeners) listener.dispose();
  }
  rpc.dispose();
  return "stranger";
}
