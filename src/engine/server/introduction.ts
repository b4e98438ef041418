import { connect } from "node:net";
import { createMessageConnection } from "vscode-jsonrpc/node";
import { messages } from "../../protocol/messages.ts";
import { isProof, newNonce, proofOf } from "../../protocol/rendezvous.ts";
import { ClosingWriter, LimitedReader } from "./transport.ts";

/** Who listens on a socket: an engine of ours, nobody any more, or somebody who cannot prove to be ours. */
export type Listener = "ours" | "nobody" | "stranger";

const introductionBytes = 4096;

/** Asks whoever listens for a proof, without giving one. */
export async function whoListens(
  path: string,
  { build, secret }: { readonly build: string; readonly secret: string },
  patienceMs: number,
): Promise<Listener> {
  const socket = connect(path);
  const deadline = setTimeout(() => socket.destroy(), patienceMs);
  try {
    const refused = await new Promise<string | undefined>((resolve) => {
      socket.once("connect", () => resolve(undefined));
      socket.once("close", () => resolve("closed"));
      socket.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code ?? "failed"));
    });
    if (refused !== undefined) return refused === "ECONNREFUSED" || refused === "ENOENT" ? "nobody" : "stranger";
    const rpc = createMessageConnection(new LimitedReader(socket, introductionBytes), new ClosingWriter(socket));
    const lost = new Promise<undefined>((resolve) => {
      rpc.onClose(() => resolve(undefined));
      rpc.onError(() => resolve(undefined));
    });
    rpc.listen();
    const nonce = newNonce();
    const hello = await Promise.race([rpc.sendRequest(messages.hello, { nonce, build }).catch(() => undefined), lost]);
    const proven =
      typeof hello?.nonce === "string" && isProof(proofOf(secret, "server", nonce, hello.nonce), hello.proof);
    rpc.dispose();
    return proven ? "ours" : "stranger";
  } finally {
    clearTimeout(deadline);
    socket.destroy();
  }
}
