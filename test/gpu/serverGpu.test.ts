import assert from "node:assert/strict";
import { join } from "node:path";
import { CancellationTokenSource } from "vscode-jsonrpc/node";
import { openCheckpoint } from "../../src/engine/model/open.ts";
import { messages } from "../../src/protocol/messages.ts";
import { scratchFolder } from "../engine/cliRun.ts";
import { code, EngineFixture } from "../engine/engineClient.ts";
import { writeRandomHead } from "../engine/randomHead.ts";
import { tinyPath } from "../engine/scratchTarget.ts";
import { softwareAdapter, useSoftwareAdapter } from "./testDevice.ts";

const requestCancelled = -32800;
const document = {
  prefix: "def f(x):\n    y = x\n    return ",
  suffix: "\n\nprint(1)\n",
  path: "a.py",
  languageId: "python",
};

/** The engine process on the software adapter. */
describe("the engine process on a GPU", function () {
  this.timeout(240_000);
  useSoftwareAdapter();
  const scratch = scratchFolder();
  const engines = new EngineFixture(scratch.path);
  after(async () => {
    await engines.end();
    scratch.remove();
  });

  it("serves, cancels, says what it runs on, and ends", async () => {
    const folder = engines.newRuntimeFolder();
    const engine = engines.start(folder);
    await engine.started();
    const client = await engines.enter(folder);
    await client.load(tinyPath("tiny-qwen2"), { device: "gpu", gpuAdapter: softwareAdapter });
    const { state } = client;
    assert.ok(state.kind === "ready");
    assert.equal(state.model.device, "gpu");
    assert.match(state.model.adapter!, /^SwiftShader/);
    assert.equal(state.model.deviceReason, undefined);
    assert.ok(client.states.some((earlier) => earlier.kind === "loading" && earlier.progress !== undefined));

    const short = { ...document, maxTokens: 6 };
    const [first, again] = [await client.complete(short).answer, await client.complete(short).answer];
    assert.deepEqual(again.texts, first.texts);
    assert.ok(again.statistics.cachedTokens > 0 && again.statistics.completionTokens > 0);

    // Several sessions at a time, each with room of its own on the device, one of them given up on the way.
    const other = await engines.enter(folder);
    const token = new CancellationTokenSource();
    const long = other.complete(
      { ...document, prefix: "x = ", maxTokens: 400, alternatives: 8, progress: true },
      token.token,
    );
    await other.until(() => (other.texts.get(long.id)?.length ?? 0) > 2);
    assert.deepEqual((await client.complete(short).answer).texts, first.texts);
    token.cancel();
    await assert.rejects(long.answer, code(requestCancelled));

    const diagnosis = (await client.rpc.sendRequest(messages.diagnose)) as {
      readonly device: string;
      readonly adapters: readonly { readonly name: string; readonly used: boolean }[];
      readonly costs: readonly { readonly device: string }[];
    };
    assert.deepEqual([diagnosis.device, diagnosis.costs.map(({ device }) => device)], ["gpu", ["gpu"]]);
    assert.deepEqual(
      diagnosis.adapters.map(({ used }) => used),
      [true],
    );

    other.close();
    // Dawn keeps a process alive that only stops working.
    await client.rpc.sendNotification(messages.shutdown);
    assert.equal(await engine.ended, 0);
    assert.doesNotMatch(engine.stderr, /Unexpected|XDG_RUNTIME_DIR/);
  });

  it("decodes for two windows in the same rounds, and writes alternatives in as many as the longest takes", async () => {
    const folder = engines.newRuntimeFolder();
    await engines.start(folder).started();
    const [first, second] = [await engines.enter(folder), await engines.enter(folder)];
    const checkpoint = openCheckpoint(tinyPath("tiny-qwen2"));
    const head = writeRandomHead(join(scratch.path, "head"), checkpoint.config, { kind: "jakiro" });
    checkpoint.close();
    await first.load(tinyPath("tiny-qwen2"), { device: "gpu", gpuAdapter: softwareAdapter, head });
    const asked = [
      { ...document, prefix: "a = ", maxTokens: 14 },
      { ...document, prefix: "def g():\n    ", maxTokens: 14 },
    ];
    const ask = (i: number) => [first, second][i]!.complete(asked[i]!).answer;
    // Each turn is a chunk of a prompt or a round; read prompts leave the rounds.
    const turnsOf = async <Result>(work: () => Promise<Result>) => {
      const before = (await first.turns()).typed;
      const result = await work();
      return { result, turns: (await first.turns()).typed - before };
    };
    for (const i of [0, 1]) await ask(i);
    const alone = [await turnsOf(() => ask(0)), await turnsOf(() => ask(1))];
    const together = await turnsOf(() => Promise.all([ask(0), ask(1)]));
    assert.deepEqual(
      together.result.map(({ texts }) => texts),
      alone.map(({ result }) => result.texts),
    );
    const [one, two] = together.result.map(({ statistics }) => statistics.targetForwards) as [number, number];
    assert.ok(together.turns < 0.75 * (one + two), `${together.turns} turns for ${one} and ${two} rounds`);

    const several = await turnsOf(() => first.complete({ ...asked[0]!, alternatives: 3 }).answer);
    assert.equal(several.result.texts[0], alone[0]!.result.texts[0]);
    const { targetForwards } = several.result.statistics;
    assert.ok(
      several.turns < 0.75 * targetForwards,
      `${several.turns} turns for ${targetForwards} rounds of each text`,
    );
    first.close();
    second.close();
  });

  it("says why where the GPU was chosen and cannot be used, and takes the processor on auto", async () => {
    const folder = engines.newRuntimeFolder();
    await engines.start(folder).started();
    const client = await engines.enter(folder);
    const modelPath = tinyPath("tiny-qwen2");
    await client.configure({ modelPath, device: "gpu" });
    await client.until(() => client.state.kind === "failed");
    const { state } = client;
    assert.match(
      state.kind === "failed" ? state.message : "",
      /emulated in software.*Set jakiro\.device to auto or cpu\.$/,
    );
    await client.load(modelPath, { device: "auto" });
    const ready = client.state;
    assert.ok(ready.kind === "ready");
    assert.deepEqual([ready.model.device, ready.model.adapter], ["cpu", undefined]);
    assert.match(ready.model.deviceReason!, /emulated in software/);
    assert.ok((await client.complete({ ...document, maxTokens: 4 }).answer).statistics.completionTokens > 0);
  });
});
