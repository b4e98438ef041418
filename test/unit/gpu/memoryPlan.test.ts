import assert from "node:assert/strict";
import { mostRows } from "../../../src/engine/gpu/forwardBuffers.ts";
import { checkMemory, planMemory } from "../../../src/engine/gpu/memoryPlan.ts";
import { defaultConfig as config } from "./defaultConfig.ts";

const gigabyte = 1 << 30;
const wanted = { capacity: 4096, sequences: 3 };

function limits(bytes: number, binding = bytes) {
  return { name: "Fast 9000", limits: { maxBufferSize: bytes, maxStorageBufferBindingSize: binding } };
}

describe("planMemory", () => {
  it("takes what is wanted where it fits, and tells how much that is", () => {
    const plan = planMemory(config, "int8", limits(gigabyte), wanted);
    assert.deepEqual([plan.capacity, plan.sequences], [4096, 3]);
    // 494 M weights and 136 M more for the embeddings' own copy, 307 MB of keys and values, scratch.
    assert.ok(plan.bytes > 0.95e9 && plan.bytes < 1.15e9, String(plan.bytes));
    const precise = planMemory(config, "float32", limits(gigabyte), wanted);
    assert.ok(precise.bytes > 2.8e9 && precise.bytes < 3e9, String(precise.bytes));
  });

  it("takes half for keys and values in float16", () => {
    const plan = planMemory(config, "int8", limits(gigabyte), wanted);
    const half = planMemory(config, "int8", limits(gigabyte), wanted, "float16");
    const keysAndValues = 24 * 2 * 2 * 64 * 4 * (plan.capacity + mostRows) * plan.sequences;
    assert.equal(plan.bytes - half.bytes, keysAndValues / 2);
    const tight = planMemory(config, "int8", limits(200e6), wanted, "float16");
    assert.equal(tight.capacity, Math.min(4096, Math.floor((2 * 200e6) / (24 * 2 * 2 * 64 * 4) / 3) - mostRows));
  });

  it("shortens the sequences to what one buffer holds", () => {
    const plan = planMemory(config, "int8", limits(200e6), wanted);
    const perToken = 24 * 2 * 2 * 64 * 4;
    assert.equal(plan.capacity, Math.floor(200e6 / perToken / 3) - mostRows);
    assert.equal(plan.sequences, 3);
    assert.equal(planMemory(config, "int8", limits(gigabyte, 200e6), wanted).capacity, plan.capacity);
  });

  it("shortens the sequences to what attention's scratch holds", () => {
    // 128 rows of 14 heads of 66 numbers for each block of 128 positions.
    const perBlock = 128 * 14 * 66 * 4;
    const narrow = { ...wanted, capacity: 100_000, sequences: 1 };
    const plan = planMemory({ ...config, layers: 1 }, "int8", limits(300 * perBlock), narrow);
    assert.equal(plan.capacity, 300 * 128 - mostRows);
  });

  it("makes room for forks only where that shortens nothing", () => {
    const room = { ...wanted, forks: 2 };
    const without = planMemory(config, "int8", limits(gigabyte), wanted);
    const plan = planMemory(config, "int8", limits(gigabyte), room);
    // The model's layers, and the head's one.
    const perSequence = (4096 + mostRows) * (24 + 1) * 2 * 2 * 64 * 4;
    assert.deepEqual([plan.capacity, plan.sequences, plan.forks], [4096, 3, 2]);
    assert.equal(plan.bytes - without.bytes, 2 * perSequence);
    assert.equal(planMemory(config, "int8", limits(4.5 * perSequence), room).forks, 1);
    const tight = planMemory(config, "int8", limits(200e6), room);
    assert.deepEqual([tight.capacity, tight.forks], [planMemory(config, "int8", limits(200e6), wanted).capacity, 0]);
  });

  it("refuses a model whose weights are too large for one buffer, with the numbers", () => {
    const plan = () => planMemory(config, "float32", limits(gigabyte, 128e6), wanted);
    assert.throws(plan, /needs 545 MB in one buffer for its embeddings, and Fast 9000 gives 128 MB at most\.$/);
  });

  it("refuses sequences that would be too short to be of use, with the numbers", () => {
    const plan = () => planMemory(config, "int8", limits(140e6), { capacity: 4096, sequences: 8 });
    assert.throws(plan, /needs 252 MB in one buffer for 8 texts of 1024 tokens, and Fast 9000 gives 140 MB at most\.$/);
    assert.equal(planMemory(config, "int8", limits(140e6), { capacity: 50, sequences: 8 }).capacity, 50);
  });
});

describe("checkMemory", () => {
  /** A device with so much memory, in buffers of at most 1000 bytes. */
  function deviceWith(bytes: number) {
    const sizes: number[] = [];
    let destroyed = 0;
    const device = {
      limits: { maxBufferSize: 1000, maxStorageBufferBindingSize: 2000 },
      pushErrorScope: (filter: string) => assert.equal(filter, "out-of-memory"),
      createBuffer({ size }: { readonly size: number }) {
        sizes.push(size);
        return { destroy: () => void destroyed++ };
      },
      popErrorScope: async () => (sizes.reduce((a, b) => a + b, 0) > bytes ? { message: "out of memory" } : null),
    };
    return { device: device as unknown as GPUDevice, sizes, destroyed: () => destroyed };
  }
  before(() => {
    Object.assign(globalThis, { GPUBufferUsage: { STORAGE: 128 } });
  });

  it("asks for all of it at once and gives it back", async () => {
    const { device, sizes, destroyed } = deviceWith(3000);
    await checkMemory(device, "Fast 9000", 2501);
    assert.deepEqual([sizes, destroyed()], [[1000, 1000, 504], 3]);
  });

  it("says how much is needed, and gives back what it got", async () => {
    const { device, destroyed } = deviceWith(2000);
    const refused = checkMemory(device, "Fast 9000", 2501);
    await assert.rejects(
      refused,
      /^JakiroError: The model needs 1 MB of graphics memory, and Fast 9000 has less than that/,
    );
    assert.equal(destroyed(), 3);
  });
});
