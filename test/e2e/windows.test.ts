import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMessageConnection, SocketMessageReader, SocketMessageWriter } from "vscode-jsonrpc/node";
import { messages } from "../../src/protocol/messages.ts";
import { newNonce, rendezvousOf } from "../../src/protocol/rendezvous.ts";
import { type AgentWindow, AgentWindows } from "../workbench/agentWindows.ts";
import { engineProcesses } from "../workbench/engineProcesses.ts";
import { recital, writeRecitalModel } from "../workbench/recitalModel.ts";
import { repository } from "../workbench/repository.ts";
import { agentMessages } from "../workbench/windowMessages.ts";
import { Workbench } from "../workbench/workbench.ts";

const whole = recital.join("").trimEnd();
const secret = "const onlyForTheEngine = 1;\n";

/** Real windows side by side, and the engine that they share. */
describe("several windows", function () {
  this.timeout(4 * 60_000);
  const scratch = mkdtempSync(join(tmpdir(), "jakiro-"));
  let workbench: Workbench;
  let windows: AgentWindows;
  let squatter: Squatter;
  let first: AgentWindow;
  let second: AgentWindow;

  before(async () => {
    const model = join(scratch, "recital.gguf");
    writeRecitalModel(model);
    for (const name of ["first", "second", "other"]) mkdirSync(join(scratch, name));
    squatter = await squat(scratch);
    windows = await AgentWindows.listen(join(scratch, "agents"));
    workbench = await Workbench.start({
      settings: { "jakiro.model": model },
      env: {
        JAKIRO_CACHE_DIR: join(scratch, "cache"),
        JAKIRO_MODELS_DIR: join(scratch, "models"),
        JAKIRO_TEST_AGENTS: windows.socket,
        XDG_RUNTIME_DIR: scratch,
      },
    });
    [first, second] = await Promise.all([
      windows.open(workbench, join(scratch, "first")),
      windows.open(workbench, join(scratch, "second")),
    ]);
  });
  after(async () => {
    windows?.close();
    await workbench?.close();
    squatter?.server.close();
    for (const id of engineProcesses(scratch)) process.kill(id, "SIGKILL");
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  });

  it("start one engine, though both ask at the same time", async () => {
    assert.deepEqual(engineProcesses(scratch), [], "none runs before it is needed");
    const asked = [first, second].map(({ agent }) =>
      agent.sendRequest(agentMessages.complete, `${secret}function f() {\n`),
    );
    assert.deepEqual(await Promise.all(asked), [whole, whole]);
    assert.equal(engineProcesses(scratch).length, 1);
    const [one, other] = await Promise.all([first, second].map(({ agent }) => agent.sendRequest(agentMessages.engine)));
    assert.deepEqual(one, other);
    assert.equal(one!.connections, 2);
  });

  it("tell whoever sits on the engine's name neither text nor proof, and use the next name", () => {
    assert.ok(existsSync(squatter.next), "the engine listens beside it");
    const heard = squatter.heard.join("");
    const methods = [...heard.matchAll(/"method":"([^"]*)"/g)].map(([, method]) => method);
    assert.deepEqual(new Set(methods), new Set(["hello"]), "it was asked for its proof and nothing else");
    assert.ok(!heard.includes("onlyForTheEngine"));
  });

  it("of another build have an engine of their own", async () => {
    const [ours] = engineProcesses(scratch);
    const { agent } = await windows.open(workbench, join(scratch, "other"), anotherBuild(join(scratch, "build")));
    assert.equal(await agent.sendRequest(agentMessages.complete, "function g() {\n"), whole);
    const { processId, connections } = await agent.sendRequest(agentMessages.engine);
    assert.notEqual(processId, ours);
    assert.equal(connections, 1);
    assert.deepEqual(engineProcesses(scratch).sort(), [ours, processId].sort());
  });

  it("get their answers although the one that started the engine is closed meanwhile", async () => {
    const { processId } = await second.agent.sendRequest(agentMessages.engine);
    const busy = new Promise<void>((resolve) => {
      second.agent.onNotification(agentMessages.busy, () => {
        process.kill(processId, "SIGSTOP");
        resolve();
      });
    });
    // Takes many forwards to read.
    const prefix = `${"value = unknown(first, second)\n".repeat(400)}function h() {\n`;
    const answer = second.agent.sendRequest(agentMessages.complete, prefix);
    await busy;
    const firstIsGone = new Promise<void>((resolve) => first.agent.onClose(resolve));
    try {
      await first.page.close({ runBeforeUnload: true });
      await firstIsGone;
    } finally {
      process.kill(processId, "SIGCONT");
    }
    assert.equal(await answer, whole);
    assert.deepEqual(await second.agent.sendRequest(agentMessages.engine), { processId, connections: 1 });
  });
});

/** The same extension, built otherwise. */
function anotherBuild(folder: string): string {
  mkdirSync(join(folder, "dist"), { recursive: true });
  for (const name of ["package.json", "package.nls.json", "l10n", "media", "models", "node_modules"]) {
    symlinkSync(join(repository, name), join(folder, name));
  }
  for (const name of ["extension.js", "engine.js"]) {
    copyFileSync(join(repository, "dist", name), join(folder, "dist", name));
  }
  appendFileSync(join(folder, "dist", "engine.js"), "\n// Another build.\n");
  return folder;
}

interface Squatter {
  readonly server: Server;
  /** All that it was told. */
  readonly heard: readonly string[];
  /** The name that an engine takes instead. */
  readonly next: string;
}

/** Listens on the engine's name before it does, and pretends to be one. */
async function squat(runtimeFolder: string): Promise<Squatter> {
  const build = createHash("sha256")
    .update(readFileSync(join(repository, "dist", "engine.js")))
    .digest("hex");
  const { folder, sockets } = rendezvousOf(build, { runtimeFolder });
  mkdirSync(folder, { mode: 0o700 });
  const heard: string[] = [];
  const server = createServer((socket) => {
    socket.on("data", (data) => heard.push(String(data)));
    socket.on("end", () => socket.destroy());
    const rpc = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
    rpc.onRequest(messages.hello, () => ({ nonce: newNonce(), proof: newNonce() }));
    rpc.listen();
  });
  server.listen(sockets[0]);
  await once(server, "listening");
  return { server, heard, next: sockets[1]! };
}
