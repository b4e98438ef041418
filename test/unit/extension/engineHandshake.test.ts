import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import {
  createMessageConnection,
  type MessageConnection,
  SocketMessageReader,
  SocketMessageWriter,
} from "vscode-jsonrpc/node";
import { EngineConnection } from "../../../src/extension/engineConnection.ts";
import { knock } from "../../../src/extension/engineHandshake.ts";
import { messages } from "../../../src/protocol/messages.ts";
import { newNonce, proofOf } from "../../../src/protocol/rendezvous.ts";
import { EngineBench } from "./engineBench.ts";

const secret = newNonce();
const patience = 60_000;

describe("engine handshake", () => {
  let bench: EngineBench;
  let server: Server | undefined;
  beforeEach(() => {
    bench = new EngineBench();
  });
  afterEach(async () => {
    server?.close();
    server = undefined;
    await bench.close();
  });

  /** Somebody who listens at a socket; what is said to them ends up in `heard`. */
  const listen = async (path: string, serve: (socket: Socket) => void, heard: string[] = []) => {
    server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (data) => heard.push(String(data)));
      serve(socket);
    });
    await new Promise<void>((resolve) => server?.listen(path, resolve));
    return path;
  };
  const path = () => join(bench.folder, "a.sock");
  const meet = (answerMs = patience, signal = new AbortController().signal) =>
    knock(path(), { build: "b", secret, answerMs }, signal);

  it("meets nobody where nobody listens or the other side goes away", async () => {
    assert.equal(await meet(), "nobody");
    await listen(path(), (socket) => socket.destroy());
    assert.equal(await meet(), "nobody");
  });

  it("takes somebody who says nothing for a stranger", async () => {
    await listen(path(), () => undefined);
    assert.equal(await meet(20), "stranger");
  });

  it("gives up when it is told to", async () => {
    const abort = new AbortController();
    await listen(path(), () => abort.abort());
    await assert.rejects(meet(patience, abort.signal), { name: "AbortError" });
  });

  for (const [what, answer] of Object.entries<(nonce: string) => unknown>({
    "an unfounded proof": (nonce) => ({ nonce, proof: proofOf(newNonce(), "server", nonce, nonce) }),
    "the client's own proof": (nonce) => ({ nonce, proof: proofOf(secret, "client", nonce, nonce) }),
    "another connection's proof": (nonce) => ({ nonce, proof: proofOf(secret, "server", newNonce(), nonce) }),
    "no proof": () => ({}),
    nothing: () => null,
  })) {
    it(`says nothing more to a stranger who answers with ${what}`, async () => {
      const heard: string[] = [];
      await listen(
        path(),
        (socket) => talk(socket).onRequest(messages.hello, ({ nonce }) => answer(nonce) as never),
        heard,
      );
      assert.equal(await meet(), "stranger");
      assert.doesNotMatch(heard.join(""), /prove|proof/);
      assert.ok(!heard.join("").includes(secret));
    });
  }

  it("is not confused by another protocol", async () => {
    await listen(path(), (socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n{]"));
    assert.equal(await meet(), "nobody");
  });

  it("hears what the engine says right after it was proven", async () => {
    await listen(path(), (socket) => {
      const rpc = talk(socket);
      let nonces: readonly [string, string] = ["", ""];
      rpc.onRequest(messages.hello, ({ nonce }) => {
        nonces = [nonce, newNonce()];
        return { nonce: nonces[1], proof: proofOf(secret, "server", ...nonces) };
      });
      rpc.onRequest(messages.prove, ({ proof }) => {
        assert.equal(proof, proofOf(secret, "client", ...nonces));
        setImmediate(() => rpc.sendNotification(messages.state, { kind: "released", name: "m" }));
        return { processId: 7, state: { kind: "noModel" } };
      });
    });
    const met = await meet();
    assert.ok(met instanceof EngineConnection);
    assert.equal(met.processId, 7);
    if (met.state.kind === "noModel") await new Promise<unknown>((resolve) => met.onState(resolve));
    assert.deepEqual(met.state, { kind: "released", name: "m" });
    met.dispose();
  });

  it("passes a squatter on the first socket and meets the engine on the next", async () => {
    const heard: string[] = [];
    await listen(
      bench.place.sockets[0]!,
      (socket) => talk(socket).onRequest(messages.hello, () => ({ nonce: newNonce(), proof: newNonce() })),
      heard,
    );
    const params = { prefix: "private", suffix: "", snippets: [], priority: "typed", maxTokens: 8 } as const;
    for (const client of [bench.client(), bench.client()]) {
      const none = { isCancellationRequested: false, onCancellationRequested: () => ({ dispose() {} }) };
      assert.match((await client.complete(params, none))?.texts[0] ?? "", /^private by/);
    }
    assert.equal(bench.journal("started").length, 1);
    assert.match(heard.join(""), /hello/);
    assert.doesNotMatch(heard.join(""), /private|prove|configure/);
  });
});

function talk(socket: Socket): MessageConnection {
  const rpc = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
  rpc.onError(() => undefined);
  rpc.listen();
  return rpc;
}
