import assert from "node:assert/strict";
import { CancellationToken } from "vscode-jsonrpc/node";
import { acquireLock } from "../../../src/engine/model/fileLock.ts";
import { type Clock, systemClock } from "../../../src/extension/clock.ts";
import type { EngineClient, EngineClientOptions } from "../../../src/extension/engineClient.ts";
import { EngineBench, until } from "./engineBench.ts";

const shorterThanAnyDeadlineMs = 8_000;

/** What keeps this process alive, beside file operations, which end by themselves. */
function handles(): string {
  const names = process.getActiveResourcesInfo().filter((name) => !name.startsWith("FSReq") && name !== "Immediate");
  return names.sort().join(" ");
}

describe("engine client, disposed of", () => {
  let bench: EngineBench;
  let rejections: unknown[];
  const reject = (reason: unknown) => rejections.push(reason);
  beforeEach(() => {
    bench = new EngineBench();
    rejections = [];
    process.on("unhandledRejection", reject);
  });
  afterEach(async () => {
    process.off("unhandledRejection", reject);
    await bench.close();
  });

  const ask = (client: EngineClient) =>
    client.complete(
      { prefix: "hang", suffix: "", snippets: [], priority: "typed", maxTokens: 8 },
      CancellationToken.None,
      () => undefined,
    );

  /** Disposes of a client at the moment that `reached` waits for; a request is in flight then. */
  async function leavesNothing(
    reached: (client: EngineClient) => Promise<void>,
    options?: Partial<EngineClientOptions>,
  ) {
    // Mocha starts its own timer once the test has begun.
    await new Promise((resolve) => setImmediate(resolve));
    const before = handles();
    const client = bench.client({ clock: systemClock, ...options });
    const asked = ask(client);
    await reached(client);
    client.dispose();
    assert.equal(await asked, undefined);
    await until(() => handles() === before, shorterThanAnyDeadlineMs);
    assert.deepEqual(rejections, []);
    assert.equal(await ask(client), undefined);
    await client.restart();
    assert.equal(handles(), before);
  }

  it("leaves nothing behind while the engine serves", () =>
    leavesNothing(() => until(() => bench.journal("complete").length === 1)));

  it("leaves nothing behind while the engine starts, nor the process that nobody can have met", async () => {
    bench.behave("silent");
    await leavesNothing(() => until(() => bench.journal("listens").length === 1));
    await until(() => bench.running().length === 0);
  });

  it("leaves nothing behind between two starts", async () => {
    bench.behave("refuse");
    let waits = 0;
    const clock: Clock = {
      now: () => 0,
      after() {
        waits++;
        return () => waits--;
      },
    };
    await leavesNothing(() => until(() => waits === 1), { clock });
    assert.equal(waits, 0);
  });

  it("leaves nothing behind while another window starts the engine", async () => {
    const lock = await acquireLock(bench.place.lock);
    await leavesNothing(() => new Promise((resolve) => setTimeout(resolve, 50)));
    await lock.release();
    assert.deepEqual(bench.journal(), []);
  });

  it("leaves nothing behind during a restart", async () => {
    bench.behave("stubborn");
    await leavesNothing(async (client) => {
      await until(() => bench.journal("complete").length === 1);
      void client.restart();
      await until(() => bench.journal("shutdown").length === 1);
    });
  });
});
