import assert from "node:assert/strict";
import { CancellationTokenSource } from "vscode-jsonrpc/node";
import { messages } from "../../src/protocol/messages.ts";
import { scratchFolder } from "../engine/cliRun.ts";
import { code, EngineFixture } from "../engine/engineClient.ts";
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
      /emulated in software.*Choose auto or cpu as the device\.$/,
    );
    await client.load(modelPath, { device: "auto" });
    const ready = client.state;
    assert.ok(ready.kind === "ready");
    assert.deepEqual([ready.model.device, ready.model.adapter], ["cpu", undefined]);
    assert.match(ready.model.deviceReason!, /emulated in software/);
    assert.ok((await client.complete({ ...document, maxTokens: 4 }).answer).statistics.completionTokens > 0);
  });
});
