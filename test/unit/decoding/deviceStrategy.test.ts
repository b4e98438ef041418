import assert from "node:assert/strict";
import { acceptPath } from "../../../src/engine/decoding/acceptance.ts";
import { CostModel } from "../../../src/engine/decoding/costModel.ts";
import { type DeviceProposal, DeviceStrategy } from "../../../src/engine/decoding/deviceStrategy.ts";
import { ladderOf } from "../../../src/engine/decoding/ladder.ts";
import { uniform } from "../../../src/engine/decoding/random.ts";
import type { TokenRows } from "../../../src/engine/decoding/target.ts";

const verify = [1, 2, 4, 8, 16, 32].map((rows) => ({ rows, ms: 10 + rows / 8 }));

/** A device that writes a known text; its head proposes what comes next with some luck. */
class Device {
  now = 0;
  rounds = 0;
  idle = 0;
  waits = 0;
  readonly chains: (readonly number[])[] = [];
  private readonly queue: DeviceProposal[] = [];
  private written = 0;
  private finishedAt = 0;

  constructor(
    private readonly text: readonly number[],
    private readonly luck: number,
  ) {}

  /** Writes the whole text; `strategy` sees this device's clock. */
  run(strategy: DeviceStrategy): void {
    while (this.written < this.text.length) {
      while (this.queue.length < 2) {
        const proposal = strategy.propose();
        if (proposal === undefined) {
          this.waits++;
          break;
        }
        if (this.queue.length === 0) {
          this.idle++;
          // Idle while the host read the round before.
          this.finishedAt = this.now + 1;
        }
        if (proposal.chain.length > 0) assert.equal(this.queue.length, 0, "a chain behind a round that was not read");
        this.queue.push(proposal);
      }
      const { rung, chain } = this.queue.shift()!;
      const rows = chain.length > 0 ? chainRows(chain) : this.drafted(Math.min(rung.levels, rung.rows - 1));
      this.chains.push(chain);
      const first = this.written;
      const limit = this.text.length - first;
      const accepted = acceptPath(rows, (_row, position) => this.text[first + position]!, 0, { limit });
      this.written += accepted.tokens.length;
      this.rounds++;
      this.finishedAt += 10 + rung.rows / 8 + rung.draftForwards;
      this.now = this.finishedAt;
      if (this.written < this.text.length) strategy.settle({ rows, accepted, draftForwards: rung.draftForwards });
    }
  }

  private drafted(levels: number): TokenRows {
    const isRight = (i: number) => uniform(this.written, i) < this.luck;
    return chainRows(Array.from({ length: levels }, (_, i) => (isRight(i) ? this.text[this.written + i]! : -9)));
  }
}

function chainRows(chain: readonly number[]): TokenRows {
  const tokens = [0, ...chain];
  return { tokens, parents: tokens.map((_, i) => i - 1) };
}

function strategyOn(device: Device, head: "jakiro" | undefined, known: readonly number[], prompt: readonly number[]) {
  const ladder = ladderOf(head === undefined ? "lookup" : "auto", head, {});
  const cost = new CostModel({ verify, draft: head === undefined ? [] : [1], overheadMs: 1 });
  const strategy = new DeviceStrategy(ladder, cost, () => device.now);
  strategy.start(prompt, () => [known]);
  return strategy;
}

const novel = Array.from({ length: 400 }, (_, i) => Math.floor(uniform(3, i) * 5000));
const prompt = [6000, 6001, 6002];

describe("deviceStrategy", () => {
  it("copies known text by chains, each behind the last one's end", () => {
    const device = new Device(novel, 0.6);
    device.run(strategyOn(device, "jakiro", [...prompt, ...novel], prompt));
    assert.ok(device.rounds < 40, `${device.rounds} rounds`);
    const chained = device.chains.filter(({ length }) => length > 0).length;
    assert.ok(chained > device.rounds / 2 && device.waits >= chained - 2);
  });

  it("keeps the device busy where the text is new", () => {
    const device = new Device(novel, 0.6);
    device.run(strategyOn(device, "jakiro", [], prompt));
    assert.equal(device.idle, 1, "the first round alone finds it idle");
    assert.equal(device.waits, 0);
    assert.ok(device.rounds < novel.length / 1.8);
  });

  it("returns to the head where the known text ends, and to the text after an edit", () => {
    const edited = [...novel.slice(0, 150), ...novel.slice(300, 350).map((token) => token + 7000), ...novel.slice(160)];
    const device = new Device(edited, 0.6);
    device.run(strategyOn(device, "jakiro", [...prompt, ...novel], prompt));
    const chained = device.chains.map(({ length }) => length > 0);
    assert.ok(chained.lastIndexOf(false) > chained.indexOf(true) && chained.at(-1));
    assert.ok(device.rounds < edited.length / 5, `${device.rounds} rounds`);
  });

  it("decodes plainly without a head and without known text", () => {
    const device = new Device(novel, 0);
    device.run(strategyOn(device, undefined, [], prompt));
    assert.equal(device.rounds, novel.length);
  });

  it("asks for the known texts only once a round is under way", () => {
    const device = new Device(novel, 0);
    const ladder = ladderOf("lookup", undefined, {});
    const cost = new CostModel({ verify, draft: [], overheadMs: 1 });
    const strategy = new DeviceStrategy(ladder, cost, () => device.now);
    let asked = 0;
    strategy.start(prompt, () => {
      asked++;
      return [];
    });
    strategy.propose();
    assert.equal(asked, 0);
    for (const token of [5, 6]) {
      strategy.propose();
      strategy.settle({
        rows: chainRows([]),
        accepted: { path: [0], tokens: [token], ended: false },
        draftForwards: 0,
      });
    }
    assert.equal(asked, 1);
  });

  it("hears of rounds that others share without taking their time for its own", () => {
    const shared = { rung: { rows: 16, levels: 5, draftForwards: 4 }, chain: [] };
    const costs = () => new CostModel({ verify, draft: [1], overheadMs: 1 });
    const cost = costs();
    let now = 0;
    const strategy = new DeviceStrategy(ladderOf("auto", "jakiro", {}), cost, () => (now += 1000));
    const written = [...novel.slice(0, 40)];
    strategy.start(prompt, () => [[...prompt, ...novel]]);
    // Two under way at a time, as the scheduler has them.
    strategy.join(shared);
    for (const token of written) {
      strategy.join(shared);
      strategy.settle({
        rows: chainRows([-9]),
        accepted: { path: [0], tokens: [token], ended: false },
        draftForwards: 4,
      });
    }
    strategy.settle({
      rows: chainRows([-9]),
      accepted: { path: [0], tokens: [novel[40]!], ended: false },
      draftForwards: 4,
    });
    for (const rows of [1, 16, 32]) assert.equal(cost.verifyMs(rows), costs().verifyMs(rows));
    assert.equal(cost.draftMs(0), costs().draftMs(0));
    // Alone again, it knows how the text goes on.
    assert.deepEqual(strategy.propose()?.chain, novel.slice(41, 41 + 31));
  });
});
