import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, watch, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { logBytes, olderLog } from "../../src/engine/logFile.ts";
import { errorCodes, messages } from "../../src/protocol/messages.ts";
import { prepareFolder } from "../../src/protocol/rendezvous.ts";
import { jakiro, scratchFolder } from "./cliRun.ts";
import { build, code, EngineClient, EngineFixture, frame, meetingIn } from "./engineClient.ts";
import { tinyPath } from "./scratchTarget.ts";

const qwen = tinyPath("tiny-qwen2");
const short = { prefix: "def g(x):\n    return ", suffix: "\n", maxTokens: 8 };

describe("the life of the engine process", function () {
  this.timeout(240_000);
  const scratch = scratchFolder();
  const engines = new EngineFixture(scratch.path);
  const enter = (folder: string, index?: number) => engines.enter(folder, index);
  after(async () => {
    await engines.end();
    scratch.remove();
  });

  it("releases idle weights and loads them at the next request, or when told to", async () => {
    const runtimeFolder = engines.newRuntimeFolder();
    await engines.start(runtimeFolder, { minuteMs: 50 }).started();
    const client = await enter(runtimeFolder);
    await assert.rejects(client.complete(short).answer, code(errorCodes.noModel));
    await client.load(qwen, { idleMinutes: 1 });
    await client.until(() => client.state.kind === "released");
    assert.ok((await client.complete(short).answer).statistics.completionTokens > 0);
    await client.until(() => client.state.kind === "released");

    await client.configure({ modelPath: qwen, idleMinutes: 0 });
    await client.complete(short).answer;
    await client.rpc.sendRequest(messages.release);
    await client.until(() => client.state.kind === "released");
    assert.ok((await client.complete(short).answer).statistics.completionTokens > 0);
  });

  it("serves on when the model's file is removed, and notices when it is written over", async function () {
    if (process.platform === "win32") this.skip();
    const runtimeFolder = engines.newRuntimeFolder();
    await engines.start(runtimeFolder).started();
    const client = await enter(runtimeFolder);
    const model = join(scratch.path, "changing.gguf");
    const bytes = readFileSync(qwen);
    writeFileSync(model, bytes);
    await client.load(model);
    const { texts } = await client.complete(short).answer;

    writeFileSync(model, bytes);
    await assert.rejects(client.complete(short).answer, /changing\.gguf was changed while it was in use; try again/);
    await client.until(() => client.state.kind === "released");
    assert.deepEqual((await client.complete(short).answer).texts, texts, "loaded anew");

    rmSync(model);
    assert.deepEqual((await client.complete(short).answer).texts, texts);
    await client.rpc.sendRequest(messages.release);
    await assert.rejects(client.complete(short).answer, /changing\.gguf does not exist; put it back or choose another/);
    writeFileSync(model, bytes);
    await client.load(model);
    assert.deepEqual((await client.complete(short).answer).texts, texts);
  });

  const sockets = (runtimeFolder: string) =>
    readdirSync(join(runtimeFolder, "jakiro")).filter((name) => name.endsWith(".sock"));

  it("keeps its log bounded while it runs", async () => {
    const folder = join(scratch.path, "logs");
    mkdirSync(folder);
    const logFile = join(folder, "engine.log");
    writeFileSync(logFile, "x".repeat(logBytes));
    const changes = watch(folder);
    const runtimeFolder = engines.newRuntimeFolder();
    await engines.start(runtimeFolder, { minuteMs: 20, logFile }).started();
    while (statSync(logFile).size > 0) await once(changes, "change");
    changes.close();
    assert.equal(statSync(olderLog(logFile)).size, logBytes);
  });

  it("is for this user alone", async function () {
    if (process.platform === "win32") this.skip();
    const runtimeFolder = engines.newRuntimeFolder();
    await engines.start(runtimeFolder).started();
    const { folder, secret, sockets: paths } = meetingIn(runtimeFolder);
    const mode = (path: string) => statSync(path).mode & 0o777;
    assert.deepEqual([folder, secret, paths[0]!].map(mode), [0o700, 0o600, 0o700]);
  });

  it("ends after the last connection, and without any", async () => {
    const runtimeFolder = engines.newRuntimeFolder();
    const engine = engines.start(runtimeFolder, { lingerMs: 1500 });
    await engine.started();
    const [first, second] = [await enter(runtimeFolder), await enter(runtimeFolder)];
    first.close();
    await second.turns();
    second.close();
    assert.equal(await engine.ended, 0);
    assert.deepEqual(sockets(runtimeFolder), []);

    const lonely = engines.start(runtimeFolder, { lingerMs: 10 });
    assert.equal(await lonely.ended, 0);
    assert.deepEqual(sockets(runtimeFolder), []);
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`leaves no socket behind after ${signal}`, async function () {
      if (process.platform === "win32") this.skip();
      const runtimeFolder = engines.newRuntimeFolder();
      const engine = engines.start(runtimeFolder);
      await engine.started();
      const client = await enter(runtimeFolder);
      engine.kill(signal);
      await client.closed;
      assert.equal(await engine.ended, 0);
      assert.deepEqual(sockets(runtimeFolder), []);
    });
  }

  it("ends when the only window asks for it, else after the others have gone", async () => {
    const runtimeFolder = engines.newRuntimeFolder();
    const engine = engines.start(runtimeFolder);
    await engine.started();
    const [first, second] = [await enter(runtimeFolder), await enter(runtimeFolder)];
    await first.rpc.sendNotification(messages.shutdown);
    await first.turns();
    await second.turns();
    first.close();
    second.close();
    assert.equal(await engine.ended, 0);

    const again = engines.start(runtimeFolder);
    await again.started();
    await (await enter(runtimeFolder)).rpc.sendNotification(messages.shutdown);
    assert.equal(await again.ended, 0);
  });

  it("takes over the socket of a process that was killed", async () => {
    const runtimeFolder = engines.newRuntimeFolder();
    const dead = engines.start(runtimeFolder);
    await dead.started();
    dead.kill("SIGKILL");
    await dead.ended;
    assert.equal(sockets(runtimeFolder).length, 1);
    await engines.start(runtimeFolder).started();
    await (await enter(runtimeFolder)).turns();
  });

  it("takes over a file that is no socket", async function () {
    if (process.platform === "win32") this.skip();
    const runtimeFolder = engines.newRuntimeFolder();
    const { folder, sockets: paths } = meetingIn(runtimeFolder);
    await prepareFolder(folder);
    writeFileSync(paths[0]!, "");
    await engines.start(runtimeFolder).started();
    await (await enter(runtimeFolder)).turns();
  });

  it("serves once where several are started at once", async () => {
    const runtimeFolder = engines.newRuntimeFolder();
    const started = [engines.start(runtimeFolder), engines.start(runtimeFolder), engines.start(runtimeFolder)];
    await Promise.all(started.map((engine) => engine.started()));
    assert.equal(started.filter(({ stderr }) => stderr.includes("Listening")).length, 1);
    for (const engine of started) if (!engine.stderr.includes("Listening")) assert.equal(await engine.ended, 0);
    assert.equal(sockets(runtimeFolder).length, 1);
  });

  for (const [name, answer] of [
    ["hangs up", undefined],
    ["gives a wrong proof", { nonce: "0".repeat(64), proof: "0".repeat(64) }],
  ] as const) {
    it(`listens on the next name where somebody on the first ${name}`, async () => {
      const runtimeFolder = engines.newRuntimeFolder();
      const meeting = meetingIn(runtimeFolder);
      await prepareFolder(meeting.folder);
      const squatter = createServer((socket) => {
        socket.on("error", () => undefined);
        socket.once("data", () =>
          answer ? socket.write(frame({ jsonrpc: "2.0", id: 0, result: answer })) : socket.end(),
        );
      });
      await new Promise<void>((resolve) => squatter.listen(meeting.sockets[0]!, resolve));
      try {
        await engines.start(runtimeFolder).started();
        await (await enter(runtimeFolder, 1)).turns();
      } finally {
        squatter.close();
      }
    });
  }

  it("is what `jakiro serve` runs", async () => {
    const runtimeFolder = engines.newRuntimeFolder();
    const meeting = meetingIn(runtimeFolder);
    const result = jakiro(["serve", "--build", build], {
      env: { XDG_RUNTIME_DIR: runtimeFolder },
      onStart: (child) =>
        child.stderr!.on("data", async (text: string) => {
          if (!text.includes("Listening")) return;
          const client = await EngineClient.connect(meeting);
          await client.turns();
          child.kill("SIGTERM");
        }),
    });
    assert.equal((await result).code, 0, (await result).stderr);
    assert.ok(!existsSync(meeting.sockets[0]!));
  });

  it("says in one sentence why it cannot start", async () => {
    const runtimeFolder = engines.newRuntimeFolder();
    const { folder, secret } = meetingIn(runtimeFolder);
    await prepareFolder(folder);
    writeFileSync(secret, "half a secr", { mode: 0o600 });
    const engine = engines.start(runtimeFolder);
    assert.equal(await engine.ended, 6);
    assert.match(engine.stderr, /Z \S+\.secret is damaged; remove it and try again\.\n$/);
  });
});
