import assert from "node:assert/strict";
import { decode } from "../../src/engine/decoding/decoder.ts";
import { tau } from "../../src/engine/decoding/statistics.ts";
import { Engine } from "../../src/engine/engine.ts";
import { request, strategyOf } from "../engine/decoding.ts";
import { defaultModelPath, openDefaultTarget, packingLimitMs } from "../engine/realModel.ts";
import { openTestDevice, softwareAdapter } from "./testDevice.ts";

/** The software adapter takes seconds for a token: as few as show drafts being accepted. */
const maxTokens = 6;

describe("the default model on the GPU", function () {
  this.timeout(Math.max(packingLimitMs, 900_000));

  it("writes by its shipped head what it writes plainly, and what the processor writes", async () => {
    const opened = await openTestDevice();
    const { name, driver, software, abilities } = opened;
    const adapter = { name, backend: "vulkan", driver, vendor: "", software, abilities, limits: opened.device.limits };
    opened.device.destroy();
    const engine = await Engine.load({
      path: defaultModelPath(),
      capacity: 256,
      sessions: 2,
      device: "gpu",
      adapter: softwareAdapter,
      gpuAccess: {
        find: async () => [adapter],
        open: openTestDevice,
        test: async () => ({ ok: true, failures: [] }),
      },
    });
    const { target, tokenizer } = await openDefaultTarget();
    try {
      const asked = request(tokenizer.encode("for i in range(10):\n    print("), { maxTokens });
      const plain = await (await engine.session("plain")).decode(asked);
      const jakiro = await (await engine.session("jakiro", { nodes: 8, depth: 3 })).decode(asked);
      assert.deepEqual(jakiro.tokens, plain.tokens);
      assert.ok(tau(jakiro.statistics.counts) > 1, "no draft was accepted");
      const here = await decode(target.sequence(256), strategyOf("plain"), asked);
      assert.deepEqual(plain.tokens, here.tokens);
    } finally {
      await target.release();
      await engine.release();
    }
  });
});
