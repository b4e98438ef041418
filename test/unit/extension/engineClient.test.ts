import assert from "node:assert/strict";
import { realpathSync } from "node:fs";
import { CancellationToken, CancellationTokenSource } from "vscode-jsonrpc/node";
import { type ConnectionState, EngineFailure } from "../../../src/extension/engine.ts";
import type { EngineClient } from "../../../src/extension/engineClient.ts";
import { endOf } from "../../../src/extension/engineProcess.ts";
import type { RoundParams } from "../../../src/protocol/messages.ts";
import { EngineBench, until } from "./engineBench.ts";

const never = CancellationToken.None;
const configuration = { modelPath: "/models/fake.gguf", device: "auto", idleMinutes: 10 } as const;

describe("engine client", () => {
  let bench: EngineBench;
  beforeEach(() => {
    bench = new EngineBench();
  });
  afterEach(() => bench.close());

  const complete = async (client: EngineClient, prefix: string, token = never, onText?: (text: string) => void) => {
    const params = { prefix, suffix: "", snippets: [], priority: "typed", maxTokens: 8 } as const;
    return (await client.complete(params, token, onText))?.texts[0];
  };

  it("starts the engine with the first request, outside of the workspace and without the editor's variables", async () => {
    const client = bench.client();
    client.configure(configuration);
    assert.deepEqual(client.state, { kind: "released", name: "fake.gguf" });
    const states: string[] = [];
    client.onState(({ kind }) => states.push(kind));

    const text = await complete(client, "a");
    const [started] = bench.journal("started");
    assert.equal(text, `a by ${started?.pid}`);
    assert.equal(started?.folder, realpathSync(bench.storage));
    assert.ok(!started?.variables?.some((name) => /^(VSCODE_|NODE_OPTIONS)/.test(name)));
    assert.deepEqual(states, ["starting", "released"]);
    assert.deepEqual(
      bench.journal().map(({ event }) => event),
      ["started", "listens", "configure", "complete"],
    );
    assert.deepEqual(bench.journal("configure")[0]?.params, configuration);
  });

  it("shows no lack of a model while a fresh engine is told which", async () => {
    bench.behave("fresh");
    const client = bench.client();
    const states: string[] = [];
    client.onState(({ kind }) => states.push(kind));
    client.configure(configuration);
    const loading = stateOf(client, "loading");
    await complete(client, "a");
    await loading;
    assert.deepEqual(states, ["released", "starting", "loading"]);
    const lacking = stateOf(client, "noModel");
    client.configure({ ...configuration, modelPath: "/refused" });
    await client.release();
    await lacking;
    assert.match(bench.logged.at(-1) ?? "", /That is no model/);
  });

  it("shares one process among windows that start at once, and leaves it running", async () => {
    const [first, second, third] = [bench.client(), bench.client(), bench.client()];
    const texts = await Promise.all([complete(first, "a"), complete(second, "a"), complete(third, "a")]);
    assert.equal(new Set(texts).size, 1);
    assert.equal(bench.journal("started").length, 1);

    first.dispose();
    await until(() => bench.journal("closed").length === 1);
    assert.equal(await complete(second, "a"), texts[0]);
    assert.equal(await complete(first, "a"), undefined);
  });

  it("empties what was in flight when the engine dies, and brings it back as it was", async () => {
    const client = bench.client();
    client.configure(configuration);
    client.observeRounds(true);
    const rounds: RoundParams[] = [];
    client.onRound((round) => rounds.push(round));

    const hanging = complete(client, "hang");
    assert.equal(await complete(client, "crash"), undefined);
    assert.equal(await hanging, undefined);
    const text = await complete(client, "b");

    const [first, second, ...more] = bench.journal("started");
    assert.deepEqual(more, []);
    assert.equal(text, `b by ${second?.pid}`);
    assert.deepEqual(bench.deedsOf(second?.pid), ["started", "listens", "configure", "observe"]);
    assert.deepEqual(bench.deedsOf(first?.pid), bench.deedsOf(second?.pid));
    assert.deepEqual(rounds.at(-1)?.tokens, ["b"]);
    assert.ok(bench.logged.some((line) => /it ended by SIGKILL; it is started again in 0 s/.test(line)));
  });

  it("stops after five crashes within a minute", async () => {
    const client = bench.client();
    client.configure({ ...configuration, modelPath: "/deadly" });
    const stopped = stateOf(client, "stopped");
    // Whether a request is in flight or waits when the engine dies is a matter of chance.
    await complete(client, "hang").catch(() => undefined);
    const { message } = await stopped;
    assert.match(message, /^The engine failed five times and stays off until you restart it; .*it ended by SIGKILL\.$/);
    assert.equal(bench.journal("started").length, 5);
    assert.deepEqual(bench.pausesMs, [500, 1000, 2000]);
    await assert.rejects(complete(client, "a"), { message });

    await client.restart();
    await stateOf(client, "stopped");
    assert.equal(bench.journal("started").length, 10);

    // Another choice is a reason to try again, as the restart was.
    client.configure(configuration);
    assert.equal(client.state.kind, "starting");
    assert.equal(await complete(client, "a"), `a by ${bench.journal("started")[10]?.pid}`);
    assert.equal(await complete(client, "crash"), undefined);
    assert.equal(await complete(client, "a"), `a by ${bench.journal("started")[11]?.pid}`);
  });

  it("says that memory is short where the system ends it while it loads a model", async () => {
    const client = bench.client({ memoryOf: (path) => `${path} needs much.` });
    client.configure({ ...configuration, modelPath: "/huge" });
    const stopped = stateOf(client, "stopped");
    await complete(client, "hang").catch(() => undefined);
    const { message, remedy } = await stopped;
    assert.match(message, /memory is probably short\. Choose a smaller one, .* \/huge needs much\.$/);
    assert.equal(remedy, "model");
  });

  it("names security software where its executable is ended before the engine answers", async function () {
    if (process.platform === "win32") this.skip();
    const setting = bench.impostor('[ "$1" = --version ] || kill -9 $$');
    const client = bench.client({ runtime: () => ({ setting, workspaceFolders: [], trusted: true }) });
    await assert.rejects(complete(client, "a"), (error: Error) => {
      assert.match(error.message, /security software may have stopped impostor\. .* by SIGKILL before it answered\.$/);
      assert.ok(!error.message.includes(bench.folder));
      return true;
    });
  });

  it("blames a processor that lacks an instruction, at the start and later", async function () {
    if (process.platform === "win32") this.skip();
    const setting = bench.impostor('[ "$1" = --version ] || kill -ILL $$');
    const starting = bench.client({ runtime: () => ({ setting, workspaceFolders: [], trusted: true }) });
    const failure = { name: "Error", remedy: "report" };
    await assert.rejects(complete(starting, "a"), failure);
    assert.equal((starting.state as { remedy?: string }).remedy, "report");
    await assert.rejects(complete(starting, "a"), failure, "it stays off");
  });

  for (const [what, code, lines] of [
    ["is removed", "ENOENT", 'rm "$0"'],
    ["may no longer be run", "EACCES", 'chmod -x "$0"'],
  ] as const) {
    it(`goes on with another Node where the one that was tried out ${what} at once`, async function () {
      if (process.platform === "win32") this.skip();
      const setting = bench.impostor(lines);
      const client = bench.client({ runtime: () => ({ setting, workspaceFolders: [], trusted: true }) });
      assert.match((await complete(client, "a"))!, /^a by/);
      const line = `Engine: it ended because it could not be run (${code}) before it answered; it is started again in 0 s.`;
      assert.ok(bench.logged.includes(line), bench.logged.join("\n"));
    });
  }

  it("knows a process that others have ended by how it ended", () => {
    assert.deepEqual(endOf(1, null), { how: "with exit code 1", culprit: "itself" });
    assert.deepEqual(endOf(null, "SIGSEGV"), { how: "by SIGSEGV", culprit: "itself" });
    assert.deepEqual(endOf(null, "SIGKILL"), { how: "by SIGKILL", culprit: "others" });
    assert.deepEqual(endOf(0xc0000005, null), { how: "with exit code 0xC0000005", culprit: "itself" });
    for (const [code, signal] of [
      [null, "SIGILL"],
      [0xc000001d, null],
    ] as const)
      assert.deepEqual(endOf(code, signal), {
        how: "at an instruction that this processor does not have",
        culprit: "processor",
      });
    for (const code of [0xc0000022, 0xc0000022 | 0])
      assert.deepEqual(endOf(code, null), { how: "with exit code 0xC0000022", culprit: "others" });
  });

  it("says what a process that ends at its start had to say", async () => {
    bench.behave("refuse");
    const client = bench.client();
    const stopped = stateOf(client, "stopped");
    const message = /it ended with exit code 1 before it answered; its last words: loading \/ Error: no such device\.$/;
    await assert.rejects(complete(client, "a"), message);
    assert.match((await stopped).message, message);
    assert.equal(bench.journal("started").length, 5);

    bench.behave("serve");
    await client.restart();
    assert.equal(client.state.kind, "released");
  });

  it("gives up and ends a process that never answers", async () => {
    bench.behave("silent");
    const client = bench.client({ timing: { answerMs: 100, startMs: 300 } });
    await assert.rejects(complete(client, "a"), /it did not answer within 0\.3 s\.$/);
    await until(() => bench.running().length === 0);
  });

  it("ends where the extension has lost its engine", async () => {
    const client = bench.client({ engineScript: "/nowhere/engine.js" });
    await assert.rejects(client.warm({ prefix: "", suffix: "", snippets: [] }, never), /must be installed again/);
  });

  it("resolves a cancelled request at once and tells the engine", async () => {
    const client = bench.client();
    const source = new CancellationTokenSource();
    const told = stateOf(client, "loading");
    const text = await complete(client, "hang", source.token, () => source.cancel());
    assert.equal(text, undefined);
    assert.equal((await told).stage, "cancelled");
  });

  it("asks nothing for a token that is cancelled, be it while the engine starts", async () => {
    const client = bench.client();
    const source = new CancellationTokenSource();
    const early = complete(client, "early", source.token);
    source.cancel();
    assert.equal(await early, undefined);
    assert.equal(await complete(client, "late", source.token), undefined);
    await complete(client, "a");
    assert.equal(bench.journal("complete").length, 1);
  });

  it("hands out the growing text of the request it belongs to", async () => {
    const client = bench.client();
    const texts: string[] = [];
    await complete(client, "a", never, (text) => texts.push(text));
    await complete(client, "b");
    assert.deepEqual(texts, ["a so far"]);
  });

  it("tells failures from requests that yielded", async () => {
    const client = bench.client();
    assert.equal(await complete(client, "yield"), undefined);
    await assert.rejects(complete(client, "fail"), new EngineFailure("The disk is full; make room.", "files"));
    await assert.rejects(complete(client, "break"), new EngineFailure("It broke.", undefined));
  });

  it("releases and diagnoses", async () => {
    const client = bench.client();
    await client.release();
    assert.deepEqual(bench.journal(), []);
    assert.deepEqual(await client.diagnose(), { pid: bench.journal("started")[0]?.pid });
    const released = stateOf(client, "noModel");
    await client.release();
    await released;
  });

  it("restarts an engine that other windows use, and they follow", async () => {
    const [first, second] = [bench.client({ timing: { endMs: 200 } }), bench.client()];
    const before = await Promise.all([complete(first, "a"), complete(second, "a")]);
    const hanging = complete(second, "hang");
    await first.restart();
    const after = await Promise.all([complete(first, "a"), complete(second, "a")]);
    assert.equal(await hanging, undefined);
    assert.equal(before[0], before[1]);
    assert.equal(after[0], after[1]);
    assert.notEqual(before[0], after[0]);
    assert.equal(bench.journal("started").length, 2);
  });

  it("forces an engine that does not end when asked", async () => {
    bench.behave("stubborn");
    const client = bench.client({ timing: { endMs: 200 } });
    await complete(client, "a");
    bench.behave("serve");
    const { pid } = bench.journal("started")[0]!;
    await client.restart();
    assert.ok(!bench.running().includes(pid));
    assert.deepEqual(bench.deedsOf(pid), ["started", "listens", "shutdown", "SIGTERM"]);
  });
});

/** The next state of that kind. */
function stateOf<Kind extends ConnectionState["kind"]>(
  client: EngineClient,
  kind: Kind,
): Promise<Extract<ConnectionState, { kind: Kind }>> {
  return new Promise((resolve) => {
    client.onState((state) => {
      if (state.kind === kind) resolve(state as Extract<ConnectionState, { kind: Kind }>);
    });
  });
}
