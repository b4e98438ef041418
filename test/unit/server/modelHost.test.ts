import assert from "node:assert/strict";
import { JakiroError } from "../../../src/engine/errors.ts";
import type { LoadOptions, ModelChoice } from "../../../src/engine/server/loadedModel.ts";
import { type HostedModel, ModelHost } from "../../../src/engine/server/modelHost.ts";
import { type EngineConfiguration, type EngineState, errorCodes } from "../../../src/protocol/messages.ts";

/** A load that a test ends by hand. */
interface FakeLoad {
  readonly choice: ModelChoice;
  readonly options: LoadOptions;
  finish(): FakeModel;
  fail(error: unknown): void;
}

class FakeModel implements HostedModel {
  users = 0;
  retired = false;

  constructor(readonly name: string) {}

  get inUse(): boolean {
    return this.users > 0;
  }

  describe() {
    const measured = { weights: "", loadMs: 1, residentBytes: 1, plainTokensPerSecond: 1, forwardMs: [] };
    return { name: this.name, device: "cpu" as const, heads: [], infilling: true, chat: false, ...measured };
  }

  use(): void {
    this.users++;
  }

  endUse(): void {
    this.users--;
  }

  retire(): void {
    this.retired = true;
  }
}

const tick = () => new Promise((resolve) => setImmediate(resolve));
const never = new AbortController().signal;

describe("ModelHost", () => {
  let loads: FakeLoad[];
  let states: EngineState[];
  let host: ModelHost<FakeModel>;
  beforeEach(() => {
    loads = [];
    states = [];
    host = new ModelHost<FakeModel>({
      load: (choice, options) =>
        new Promise((resolve, reject) => {
          const finish = () => {
            const model = new FakeModel(choice.modelPath.slice(1));
            resolve(model);
            return model;
          };
          loads.push({ choice, options, finish, fail: reject });
        }),
      isBusy: () => false,
      onState: (state) => states.push(state),
      log: () => undefined,
      minuteMs: 1,
    });
  });
  afterEach(() => host.dispose());

  const choose = (name: string | undefined, more: Partial<EngineConfiguration> = {}) =>
    host.configure({
      device: "auto",
      idleMinutes: 0,
      ...(name === undefined ? {} : { modelPath: `/${name}` }),
      ...more,
    });
  const used = () => host.use(never, async ({ name }) => name);

  async function serving(name: string): Promise<FakeModel> {
    choose(name);
    await tick();
    const model = loads.at(-1)!.finish();
    await tick();
    return model;
  }

  it("has no model until one is chosen", async () => {
    assert.deepEqual(host.state, { kind: "noModel" });
    await assert.rejects(used(), { code: errorCodes.noModel });
  });

  it("loads with progress, lets requests wait, and tells what it serves", async () => {
    choose("a");
    const answer = used();
    await tick();
    loads[0]!.options.progress({ stage: "Preparing the model", done: 1, total: 4, unit: "items" });
    loads[0]!.options.progress({ stage: "Preparing the model", done: 4, total: 4, unit: "items" });
    loads[0]!.finish();
    assert.equal(await answer, "a");
    const loading = { kind: "loading", name: "a", stage: "loading" };
    assert.deepEqual(states.slice(0, 3), [
      loading,
      { kind: "loading", name: "a", stage: "preparing", progress: 0.25 },
      loading,
    ]);
    assert.equal(states[3]!.kind, "ready");
  });

  it("leaves another window's head alone where a restricted one names the same model", async () => {
    choose("a", { restricted: true });
    await tick();
    loads[0]!.finish();
    await tick();
    choose("a", { head: "/mine" });
    await tick();
    const served = loads[1]!.finish();
    await tick();
    choose("a", { restricted: true });
    await tick();
    assert.deepEqual([loads.length, served.retired, host.state.kind], [2, false, "ready"]);

    choose("b", { restricted: true });
    await tick();
    assert.deepEqual(loads[2]!.choice, { modelPath: "/b", device: "auto" }, "a head belongs to its model");
    choose("a", { head: "/mine" });
    choose("a");
    await tick();
    assert.equal(loads.at(-1)!.choice.head, undefined, "a window that has a say takes it back");
  });

  it("does nothing where nothing changed", async () => {
    await serving("a");
    const told = states.length;
    choose("a");
    choose("a", { idleMinutes: 5 });
    await tick();
    assert.deepEqual([loads.length, states.length], [1, told]);
  });

  it("keeps the old model answering until the new one is there", async () => {
    const old = await serving("a");
    choose("b");
    await tick();
    assert.equal(host.state.kind, "loading");
    assert.equal(await used(), "a");
    assert.equal(old.retired, false);
    loads[1]!.finish();
    await tick();
    assert.equal(await used(), "b");
    assert.equal(old.retired, true);
  });

  it("keeps the old model where the new one fails, says why, and tries again when told to", async () => {
    await serving("a");
    choose("b");
    await tick();
    loads[1]!.fail(new JakiroError("model", "It is broken.", { remedy: "files" }));
    await tick();
    const failed = { kind: "failed", name: "b", message: "It is broken.", remedy: "files" };
    assert.deepEqual(host.state, { ...failed, serving: "a" });
    assert.equal(await used(), "a");
    choose("b");
    await tick();
    assert.equal(loads.length, 3);
    choose("a");
    await tick();
    assert.equal(host.state.kind, "ready");
    assert.equal(loads[2]!.options.signal.aborted, true);
  });

  it("answers with the reason where no model could be loaded", async () => {
    choose("a");
    const answer = assert.rejects(used(), { code: errorCodes.model, message: "It is broken." });
    await tick();
    loads[0]!.fail(new JakiroError("model", "It is broken."));
    await answer;
    await assert.rejects(used(), { code: errorCodes.model });
  });

  it("gives up a load for a newer choice, and waits until it has ended", async () => {
    choose("a");
    await tick();
    choose("b");
    const answer = used();
    await tick();
    assert.deepEqual([loads.length, loads[0]!.options.signal.aborted], [1, true]);
    const late = loads[0]!.finish();
    await tick();
    assert.deepEqual([loads.length, late.retired], [2, true]);
    loads[1]!.finish();
    assert.equal(await answer, "b");
  });

  it("drops the model when none is chosen any more", async () => {
    const model = await serving("a");
    choose(undefined);
    assert.deepEqual([host.state.kind, model.retired], ["noModel", true]);
  });

  it("releases the weights when told to and loads them at the next request", async () => {
    const model = await serving("a");
    host.release();
    assert.deepEqual([host.state, model.retired], [{ kind: "released", name: "a" }, true]);
    choose("a");
    assert.equal(host.state.kind, "released");
    const answer = used();
    await tick();
    loads[1]!.finish();
    assert.equal(await answer, "a");
  });

  it("releases the weights after idle minutes, counted from the last request's end", async () => {
    await serving("a");
    let finish: () => void = () => undefined;
    const request = host.use(never, () => new Promise<void>((resolve) => (finish = resolve)));
    choose("a", { idleMinutes: 1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(host.state.kind, "ready", "it is in use");
    finish();
    await request;
    const deadline = Date.now() + 5000;
    while (host.state.kind === "ready" && Date.now() < deadline) await tick();
    assert.equal(host.state.kind, "released");
  });

  it("ends the wait of a cancelled request and goes on loading", async () => {
    const abort = new AbortController();
    choose("a");
    const answer = assert.rejects(
      host.use(abort.signal, async () => assert.fail("it ran")),
      /too late/,
    );
    await tick();
    abort.abort(new Error("too late"));
    await answer;
    loads[0]!.finish();
    await tick();
    assert.equal(host.state.kind, "ready");
  });
});
