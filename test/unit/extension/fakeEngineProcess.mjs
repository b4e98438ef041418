/**
 * An engine process without a model. FAKE_ENGINE names a folder with `place.json` (sockets and secret), `mode` (how the next
 * process behaves) and `journal` (what processes did, one JSON object per line).
 */
import { createHmac, randomBytes } from "node:crypto";
import { appendFileSync, readFileSync, unlinkSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { createMessageConnection, ResponseError, SocketMessageReader, SocketMessageWriter } from "vscode-jsonrpc/node";

const folder = process.env.FAKE_ENGINE;
const { sockets, secret } = JSON.parse(readFileSync(join(folder, "place.json"), "utf8"));
const mode = readFileSync(join(folder, "mode"), "utf8");
const build = process.argv[process.argv.indexOf("--build") + 1];
const model = mode === "fresh" ? { kind: "noModel" } : { kind: "released", name: "fake" };

function note(event, details = {}) {
  appendFileSync(join(folder, "journal"), `${JSON.stringify({ pid: process.pid, event, ...details })}\n`);
}

note("started", { folder: process.cwd(), variables: Object.keys(process.env) });
// Whatever a failing test leaves behind.
setTimeout(() => process.exit(), 90_000);
if (mode === "refuse") {
  console.log("loading");
  console.error("Error: no such device\n    at somewhere (file.js:1:1)\n\nNode.js v20.0.0");
  process.exit(1);
}

function proofOf(side, client, server) {
  return createHmac("sha256", readFileSync(secret, "utf8")).update(`${side}\n${client}\n${server}`).digest("hex");
}

const connections = new Set();

function serve(socket) {
  if (mode === "silent") return;
  const rpc = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
  let expected = "";
  let proven = false;
  let rounds = false;
  const answer = (method, handler) =>
    rpc.onRequest(method, (params, token) => {
      if (!proven) return new ResponseError(-32001, "not proven");
      note(method, { params });
      return handler(params, token);
    });

  rpc.onRequest("hello", ({ nonce, build: asked }) => {
    if (asked !== build) return new ResponseError(-32001, "another build");
    const own = randomBytes(32).toString("hex");
    expected = proofOf("client", nonce, own);
    return { nonce: own, proof: proofOf("server", nonce, own) };
  });
  rpc.onRequest("prove", ({ proof }) => {
    if (proof !== expected) return new ResponseError(-32001, "wrong proof");
    proven = true;
    connections.add(rpc);
    return { processId: process.pid, state: model };
  });
  answer("configure", ({ modelPath }) => {
    if (modelPath === "/deadly") process.kill(process.pid, "SIGKILL");
    if (modelPath === "/huge") {
      rpc.sendNotification("state", { kind: "loading", name: "huge", stage: "loading" });
      setTimeout(() => process.kill(process.pid, "SIGKILL"), 50);
    }
    if (modelPath === "/refused") return new ResponseError(-32003, "That is no model.");
    if (mode === "fresh") rpc.sendNotification("state", { kind: "loading", name: "fake", stage: "Loading" });
  });
  answer("observe", (params) => {
    rounds = params.rounds;
  });
  answer("warm", () => undefined);
  answer("release", () => {
    for (const each of connections) each.sendNotification("state", { kind: "noModel" });
  });
  answer("diagnose", () => ({ pid: process.pid }));
  answer("complete", async ({ id, prefix, progress }, token) => {
    if (rounds) rpc.sendNotification("round", { tokens: [prefix], parents: [-1], accepted: [0], committed: 1 });
    if (progress) {
      await rpc.sendNotification("progress", { id: id + 1000, text: "somebody else's" });
      await rpc.sendNotification("progress", { id, text: `${prefix} so far` });
    }
    if (prefix === "crash") process.kill(process.pid, "SIGKILL");
    if (prefix === "yield") return new ResponseError(-32004, "given up");
    if (prefix === "fail") return new ResponseError(-32005, "The disk is full; make room.", { remedy: "files" });
    if (prefix === "break") return new ResponseError(-32005, "It broke.");
    if (prefix !== "hang") return { texts: [`${prefix} by ${process.pid}`], ending: "line" };
    await new Promise((resolve) => token.onCancellationRequested(resolve));
    rpc.sendNotification("state", { kind: "loading", name: "fake", stage: "cancelled" });
    return new ResponseError(-32800, "cancelled");
  });
  rpc.onNotification("shutdown", () => {
    note("shutdown");
    if (connections.size === 1 && mode !== "stubborn") process.exit();
  });
  if (mode === "stubborn") process.on("SIGTERM", () => note("SIGTERM"));
  rpc.onClose(() => {
    connections.delete(rpc);
    note("closed");
  });
  rpc.onError(() => undefined);
  rpc.listen();
}

/** Resolves with whether it listens there: somebody else may, or a dead process may have left its socket. */
async function listen(path) {
  const server = createServer(serve);
  const bound = await new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(path, () => resolve(true));
  });
  if (bound) return true;
  const inUse = await new Promise((resolve) => {
    const socket = connect(path, () => resolve(true) || socket.destroy());
    socket.on("error", () => resolve(false));
  });
  if (inUse) return false;
  unlinkSync(path);
  return listen(path);
}

for (const path of sockets) if (await listen(path)) break;
note("listens");
