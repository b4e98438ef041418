import assert from "node:assert/strict";
import { type Place, Turns } from "../../../src/engine/server/turns.ts";
import type { Priority } from "../../../src/protocol/messages.ts";

const never = new AbortController().signal;
const listen = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Runs `count` turns of each work side by side and tells in which order they ran. */
async function order(turns: Turns, works: readonly { name: string; place: Place; count: number }[]): Promise<string> {
  const ran: string[] = [];
  await Promise.all(
    works.map(async ({ name, place, count }) => {
      for (let i = 0; i < count; i++) {
        await place.next();
        ran.push(name);
      }
      place.leave();
    }),
  );
  assert.equal(
    Object.values(turns.granted).reduce((sum, granted) => sum + granted, 0),
    ran.length,
  );
  return ran.join("");
}

describe("Turns", () => {
  it("hands out one turn at a time", async () => {
    const turns = new Turns(listen);
    let running = 0;
    const work = async (place: Place) => {
      for (let i = 0; i < 5; i++) {
        await place.next();
        assert.equal(++running, 1);
        await listen();
        running--;
      }
      place.leave();
    };
    await Promise.all([1, 2, 3].map(() => work(turns.enter("typed", {}, never))));
  });

  it("runs the more urgent to its end first", async () => {
    const turns = new Turns(listen);
    const works = (["warm", "prefetch", "generate", "typed"] as const).map((priority) => ({
      name: priority.charAt(0),
      place: turns.enter(priority, {}, never),
      count: 2,
    }));
    assert.equal(await order(turns, works), "ttggppww");
    assert.deepEqual(turns.granted, { typed: 2, generate: 2, prefetch: 2, warm: 2 });
  });

  it("alternates between owners, and finishes what an owner asked first", async () => {
    const turns = new Turns(listen);
    const [first, second] = [{}, {}];
    const works = [
      { name: "a", place: turns.enter("typed", first, never), count: 2 },
      { name: "b", place: turns.enter("typed", first, never), count: 2 },
      { name: "x", place: turns.enter("typed", second, never), count: 4 },
    ];
    assert.equal(await order(turns, works), "axaxbxbx");
  });

  it("lets the more urgent in after the turn under way, whoever waited longer", async () => {
    const turns = new Turns(listen);
    const background = turns.enter("prefetch", {}, never);
    await background.next();
    const typed = turns.enter("typed", {}, never);
    const ran: string[] = [];
    const later = typed.next().then(() => ran.push("typed"));
    const again = background.next().then(() => ran.push("prefetch"));
    await later;
    typed.leave();
    await again;
    assert.deepEqual(ran, ["typed", "prefetch"]);
  });

  it("takes in what is asked for while it listens", async () => {
    let heard: () => void = () => undefined;
    const turns = new Turns(async () => heard());
    const low = turns.enter("warm", {}, never);
    const high = turns.enter("typed", {}, never);
    const ran: string[] = [];
    let highDone: Promise<unknown> = Promise.resolve();
    heard = () => {
      heard = () => undefined;
      highDone = high.next().then(() => {
        ran.push("typed");
        high.leave();
      });
    };
    await low.next().then(() => ran.push("warm"));
    await highDone;
    assert.deepEqual(ran, ["typed", "warm"]);
  });

  it("lets in together what shares a forward, and counts it once", async () => {
    const turns = new Turns(listen);
    const company = {};
    const [first, second, alone] = [{}, {}, {}].map((owner) => turns.enter("typed", owner, never));
    const inside = new Set<string>();
    const seen: string[] = [];
    const work = async (name: string, place: Place, shared?: object) => {
      for (let i = 0; i < 3; i++) {
        await place.next(shared);
        inside.add(name);
        await listen();
        seen.push([...inside].join(""));
        await listen();
        inside.delete(name);
      }
      place.leave();
    };
    await Promise.all([work("a", first!, company), work("b", second!, company), work("x", alone!)]);
    assert.deepEqual(seen, ["ab", "ab", "x", "ab", "ab", "x", "ab", "ab", "x"]);
    assert.equal(turns.granted.typed, 6);
  });

  it("ends the wait of what was cancelled, without a turn", async () => {
    const turns = new Turns(listen);
    const holder = turns.enter("typed", {}, never);
    await holder.next();
    const abort = new AbortController();
    const waiting = turns.enter("warm", {}, abort.signal);
    const waited = waiting.next();
    abort.abort();
    await waited;
    assert.equal(turns.granted.warm, 0);
    await waiting.next();
    waiting.leave();
    holder.leave();
    const next = turns.enter("warm" satisfies Priority, {}, never);
    await next.next();
    assert.equal(turns.granted.warm, 1);
  });
});
