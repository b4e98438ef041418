import assert from "node:assert/strict";
import { DeviceLostError } from "../../src/engine/decoding/target.ts";
import { JakiroError } from "../../src/engine/errors.ts";
import { Heads } from "../../src/engine/heads.ts";
import { type DeviceChoice, type PlacedModel, Placement } from "../../src/engine/placement.ts";

const minute = 60_000;

/** Lets promises settle. */
const tick = () => new Promise((resolve) => setImmediate(resolve));

describe("Placement", () => {
  let notes: string[];
  let loads: string[];
  let released: string[];
  let moves: number;
  let clock: number;
  /** Why the GPU cannot be used; undefined where it can. */
  let gpuFault: string | undefined;
  let gpuCapacity: number;
  /** What the processor cannot promise; undefined where it can. */
  let inexactness: string | undefined;
  /** Milliseconds of a plain token by device, as a load measures them. */
  const measured = { cpu: 15, gpu: 5 };
  /** What an earlier load measured on the processor; undefined where devices are not to be compared. */
  let known: { readonly tokenMs: number | undefined } | undefined;

  beforeEach(() => {
    [notes, loads, released, moves, clock, gpuFault, gpuCapacity] = [[], [], [], 0, 0, undefined, 100];
    Object.assign(measured, { cpu: 15, gpu: 5 });
    known = undefined;
    inexactness = undefined;
  });

  function place(device: "cpu" | "gpu", capacity: number): PlacedModel {
    const name = `${device}${loads.push(device)}`;
    const target = { sequence: () => assert.fail("not asked for"), release: async () => void released.push(name) };
    const heads = new Heads(() => assert.fail("not asked for"));
    const verifyCosts = [{ rows: 1, ms: measured[device] }];
    const traits = device === "gpu" ? { adapter: "X" } : inexactness === undefined ? {} : { inexactness };
    return { device, ...traits, target, heads, verifyCosts, capacity };
  }

  function choose(device: DeviceChoice): Promise<Placement> {
    const loaders = {
      cpu: async () => place("cpu", 100),
      gpu: async () => {
        if (gpuFault === undefined) return place("gpu", gpuCapacity);
        loads.push("refused");
        throw new JakiroError("model", gpuFault);
      },
      ...(known === undefined ? {} : { processorTokenMs: async () => known?.tokenMs }),
    };
    const onMove = () => void moves++;
    return Placement.choose(device, loaders, { onNote: (note) => notes.push(note), onMove, now: () => clock });
  }

  /** A forward that finds the device gone. */
  async function lose(placement: Placement): Promise<void> {
    const from = placement.enter();
    const error = new DeviceLostError("the driver was reset");
    placement.leave(from);
    await placement.flee(from, error);
  }

  it("takes the processor where it was chosen, without a look at GPUs", async () => {
    const placement = await choose("cpu");
    assert.deepEqual([placement.current.device, placement.reason, loads, notes], ["cpu", undefined, ["cpu"], []]);
  });

  it("takes the GPU where one can be used, and says nothing", async () => {
    const placement = await choose("auto");
    assert.deepEqual([placement.current.device, placement.reason, loads, notes], ["gpu", undefined, ["gpu"], []]);
  });

  describe("where both devices can be used", () => {
    it("takes the GPU that is faster than the processor is known to be", async () => {
      known = { tokenMs: 15 };
      const placement = await choose("auto");
      assert.deepEqual([placement.current.device, placement.reason, loads, notes], ["gpu", undefined, ["gpu"], []]);
      assert.equal(placement.comparison, "The GPU X is faster than the processor: 5.0 ms a token against 15 ms.");
    });

    it("takes the processor that is known to be faster, and says so", async () => {
      known = { tokenMs: 3 };
      const placement = await choose("auto");
      const comparison = "The processor is faster than the GPU X: 3.0 ms a token against 5.0 ms.";
      assert.deepEqual([placement.current.device, placement.reason], ["cpu", comparison]);
      assert.deepEqual(
        [loads, released, notes],
        [["gpu", "cpu"], ["gpu1"], [`Running on the processor. ${comparison}`]],
      );
    });

    it("measures the processor where nobody knows how fast it is, and gives the slower device back", async () => {
      known = { tokenMs: undefined };
      assert.equal((await choose("auto")).current.device, "gpu");
      assert.deepEqual([loads, released], [["gpu", "cpu"], ["cpu2"]]);
      [loads, released] = [[], []];
      measured.cpu = 4;
      assert.equal((await choose("auto")).current.device, "cpu");
      assert.deepEqual([loads, released], [["gpu", "cpu"], ["gpu1"]]);
    });

    it("does not ask where the GPU was chosen", async () => {
      known = { tokenMs: 3 };
      assert.equal((await choose("gpu")).current.device, "gpu");
      assert.deepEqual(loads, ["gpu"]);
    });
  });

  it("goes on with the processor where none can be used, and says why", async () => {
    gpuFault = "There is none.";
    const placement = await choose("auto");
    assert.deepEqual([placement.current.device, placement.reason], ["cpu", "There is none."]);
    assert.deepEqual(notes, ["Running on the processor. There is none."]);
    clock += 100 * minute;
    placement.retryWhenDue();
    await tick();
    assert.deepEqual(loads, ["refused", "cpu"], "what never was there is not waited for");
  });

  it("refuses where the GPU was chosen and cannot be used", async () => {
    gpuFault = "There is none.";
    const inEditor = "There is none. Set jakiro.device to auto or cpu.";
    const refused = new JakiroError("model", "There is none. Choose auto or cpu as the device.", {
      inEditor,
      remedy: "device",
    });
    await assert.rejects(choose("gpu"), refused);
    assert.deepEqual(loads, ["refused"]);
  });

  it("says what the processor cannot promise when it has moved there", async () => {
    inexactness = "Drafts may change the text.";
    const placement = await choose("gpu");
    assert.deepEqual(notes, []);
    await lose(placement);
    assert.deepEqual(notes, [`${placement.reason} Going on with the processor.`, inexactness]);
  });

  it("moves to the processor when the GPU is lost, once for all who notice", async () => {
    const placement = await choose("gpu");
    const [first, second] = [placement.enter(), placement.enter()];
    const idle = placement.enter();
    let movedOut = 0;
    placement.register({
      moveOut() {
        movedOut++;
        placement.leave(idle);
      },
    });
    const error = new DeviceLostError("the driver was reset");
    await Promise.all([placement.flee(first, error), placement.flee(second, error)]);
    await placement.flee(first, error);
    assert.deepEqual([placement.current.device, placement.capacity, movedOut, moves], ["cpu", 100, 1, 1]);
    assert.equal(placement.reason, "The GPU X was lost: the driver was reset.");
    assert.deepEqual(notes, [`${placement.reason} Going on with the processor.`]);
    assert.deepEqual([loads, released], [["gpu", "cpu"], []], "somebody is still there");
    placement.leave(first);
    placement.leave(second);
    await tick();
    assert.deepEqual(released, ["gpu1"], "and once");
    const resident = { moveOut: () => placement.leave(only) };
    const only = placement.enter();
    placement.register(resident);
    clock += minute;
    placement.retryWhenDue();
    await tick();
    assert.deepEqual(released, ["gpu1", "cpu2"], "once where the last one leaves because of the move");
  });

  it("tries the GPU again later, and moves back", async () => {
    const placement = await choose("auto");
    await lose(placement);
    const here = placement.enter();
    placement.enter();
    clock += minute - 1;
    placement.retryWhenDue();
    await tick();
    assert.deepEqual(loads, ["gpu", "cpu"]);
    clock += 1;
    placement.retryWhenDue();
    placement.retryWhenDue();
    await tick();
    assert.deepEqual([placement.current.device, placement.reason, moves], ["gpu", undefined, 2]);
    assert.equal(notes.at(-1), "On the GPU X again.");
    placement.leave(here);
    assert.deepEqual(released, ["gpu1"], "the processor is still in use");
    placement.leave(here);
    await tick();
    assert.deepEqual(released, ["gpu1", "cpu2"]);
  });

  it("waits twice as long after each failure, and an hour at most", async () => {
    const placement = await choose("auto");
    await lose(placement);
    gpuFault = "It is busy.";
    const waits: number[] = [];
    let last = clock;
    while (waits.length < 9) {
      const before = loads.length;
      clock += minute;
      placement.retryWhenDue();
      await tick();
      if (loads.length === before) continue;
      waits.push((clock - last) / minute);
      last = clock;
    }
    assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert.equal(notes.at(-1), "The GPU cannot be used yet: It is busy.");
    assert.equal(placement.current.device, "cpu");
  });

  it("does not move back to a GPU that holds less text than before", async () => {
    const placement = await choose("auto");
    await lose(placement);
    gpuCapacity = 99;
    clock += minute;
    placement.retryWhenDue();
    await tick();
    assert.equal(placement.current.device, "cpu");
    assert.deepEqual(released, ["gpu1", "gpu3"]);
  });

  it("releases what it has, whoever uses it", async () => {
    const placement = await choose("auto");
    const from = placement.enter();
    await placement.flee(from, new DeviceLostError("gone"));
    await placement.releaseAll();
    assert.deepEqual(released.toSorted(), ["cpu2", "gpu1"]);
  });
});
