import assert from "node:assert/strict";
import { type Borrower, SessionPool } from "../../../src/engine/server/sessionPool.ts";
import type { Priority } from "../../../src/protocol/messages.ts";

interface FakeSession {
  readonly name: number;
  tokens: readonly number[];
}

function borrower(priority: Priority): Borrower & { abort(reason: Error): void; yields: number } {
  const controller = new AbortController();
  return {
    priority,
    signal: controller.signal,
    yields: 0,
    yield() {
      this.yields++;
    },
    abort: (reason) => controller.abort(reason),
  };
}

const text = (first: number, length: number) => Array.from({ length }, (_, i) => first + i);
const tick = () => new Promise((resolve) => setImmediate(resolve));

describe("SessionPool", () => {
  let made: FakeSession[];
  let pool: SessionPool<FakeSession>;
  beforeEach(() => {
    made = [];
    pool = new SessionPool(async () => {
      const session = { name: made.length, tokens: [] };
      made.push(session);
      return session;
    });
  });

  const borrow = (prompt: readonly number[], by: Borrower = borrower("typed"), lasting = prompt.length) =>
    pool.borrow(prompt, lasting, by);

  /** Decodes a prompt in whatever session it gets. */
  async function use(prompt: readonly number[], lasting = prompt.length): Promise<number> {
    const session = await borrow(prompt, borrower("typed"), lasting);
    session.tokens = prompt;
    pool.giveBack(session);
    return session.name;
  }

  it("gives a prompt the session that holds most of it", async () => {
    assert.equal(await use(text(0, 100)), 0);
    assert.equal(await use(text(1000, 100)), 1);
    assert.equal(await use([...text(0, 90), 7]), 0);
    assert.equal(await use([...text(1000, 90), 7]), 1);
  });

  it("knows a text by the part that lasts, however long the rest is", async () => {
    assert.equal(await use([...text(0, 10), ...text(500, 200)], 10), 0);
    assert.equal(await use([...text(0, 11), ...text(600, 200)], 11), 0);
  });

  it("keeps the texts used last where no more sessions may be made", async () => {
    for (const start of [0, 1000, 2000]) await use(text(start, 50));
    await use(text(0, 60));
    assert.equal(await use(text(3000, 50)), 1);
    assert.equal(await use(text(0, 70)), 0);
    assert.equal(made.length, 3);
  });

  it("keeps one session free of everything but typed requests", async () => {
    const generate = borrower("generate");
    const [first] = [await borrow(text(0, 5), generate), await borrow(text(10, 5), generate)];
    let third: FakeSession | undefined;
    const waiting = borrow(text(20, 5), generate).then((session) => {
      third = session;
    });
    await tick();
    assert.equal(third, undefined);
    assert.equal((await borrow(text(30, 5))).name, 2);
    pool.giveBack(first);
    await tick();
    assert.equal(third, undefined, "two are still taken");
    pool.giveBack(made[2]!);
    await waiting;
  });

  it("asks warming, then prefetching, to yield to what is more urgent", async () => {
    const [warm, prefetch] = [borrower("warm"), borrower("prefetch")];
    const warmed = await borrow(text(0, 5), warm);
    await borrow(text(10, 5), prefetch);
    await borrow(text(20, 5));
    const typed = borrow(text(30, 5));
    await tick();
    assert.deepEqual([warm.yields, prefetch.yields], [1, 0]);
    pool.giveBack(warmed);
    assert.equal(await typed, warmed);
    const later = borrower("warm");
    const waiting = assert.rejects(borrow(text(40, 5), later), /given up/);
    await tick();
    assert.equal(prefetch.yields, 0, "warming waits");
    later.abort(new Error("given up"));
    await waiting;
  });

  it("serves the most urgent of those who wait first", async () => {
    const held = await Promise.all([0, 10, 20].map((start) => borrow(text(start, 5))));
    const served: Priority[] = [];
    const waiting = (["warm", "generate", "typed"] as const).map(async (priority) => {
      const session = await borrow(text(30, 5), borrower(priority));
      served.push(priority);
      pool.giveBack(session);
    });
    await tick();
    for (const session of held) pool.giveBack(session);
    await Promise.all(waiting);
    assert.deepEqual(served, ["typed", "generate", "warm"]);
  });

  it("passes on why a session could not be made, and lets the next one try", async () => {
    let fails = true;
    pool = new SessionPool(async () => {
      if (fails) throw new Error("no memory");
      return { name: 0, tokens: [] };
    });
    await assert.rejects(borrow([1]), /no memory/);
    fails = false;
    assert.equal((await borrow([1])).name, 0);
  });
});
