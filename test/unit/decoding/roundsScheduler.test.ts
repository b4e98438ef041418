import assert from "node:assert/strict";
import {
  type Proposer,
  RoundsScheduler,
  roundsInFlight,
  type SharedRounds,
} from "../../../src/engine/decoding/roundsScheduler.ts";
import { Turns } from "../../../src/engine/server/turns.ts";

const tick = () => new Promise<void>((resolve) => setImmediate(resolve));
const never = new AbortController().signal;

/** A text that counts to its length. */
class CountedText {
  count = 0;
  readonly heard: number[] = [];

  constructor(
    readonly name: string,
    readonly length: number,
  ) {}
}

/** A device that adds one to every text that sits when a round is submitted, and knows nothing of what the host has read. */
class FakeDevice {
  submitted = 0;
  read = 0;
  /** The rounds that were asked for, in order. */
  readonly asked: string[] = [];
  /** Names of the texts that each submitted round took further, with the number of its places. */
  readonly log: string[] = [];
  /** Awaited before a round is read. */
  beforeRead: (round: number) => Promise<void> = tick;
  seatFails: string | undefined;
  private readonly made = new Map<number, FakeRounds>();

  roundsFor(texts: number): FakeRounds {
    const places = 2 ** Math.ceil(Math.log2(texts));
    const rounds = this.made.get(places) ?? new FakeRounds(this, places);
    this.made.set(places, rounds);
    return rounds;
  }
}

class FakeRounds implements SharedRounds<CountedText, number, string> {
  private readonly seats: ({ text: CountedText; count: number } | undefined)[];
  private readonly unread: (number | undefined)[][] = [];
  private round = 0;
  readonly usual: string;

  constructor(
    private readonly device: FakeDevice,
    readonly places: number,
  ) {
    this.usual = `usual for ${places}`;
    this.seats = Array(places).fill(undefined);
  }

  async seat(place: number, text: CountedText): Promise<void> {
    await tick();
    assert.equal(this.seats[place], undefined, "the place is taken");
    if (this.device.seatFails === text.name) throw new Error("no seat");
    this.seats[place] = { text, count: text.count };
  }

  clear(place: number): void {
    this.seats[place] = undefined;
  }

  async submit(round: string): Promise<void> {
    assert.ok(this.unread.length < roundsInFlight);
    this.device.submitted++;
    this.device.asked.push(round);
    const outcomes = this.seats.map((seat) => (seat && seat.count < seat.text.length ? ++seat.count : undefined));
    const names = this.seats.map((seat, i) => (outcomes[i] === undefined ? "" : seat!.text.name));
    this.device.log.push(`${this.places}:${names.join("")}`);
    this.unread.push(outcomes);
    await tick();
  }

  async read(): Promise<readonly (number | undefined)[]> {
    await this.device.beforeRead(this.round++);
    this.device.read++;
    return this.unread.shift()!;
  }

  abandon(): void {
    this.unread.length = 0;
    this.seats.fill(undefined);
  }
}

/** Names the rounds that it proposes, and waits before each third one until it has heard of the others. */
class FakeProposer implements Proposer<string> {
  readonly told: string[] = [];
  heard = 0;

  constructor(private readonly name: string) {}

  propose(): string | undefined {
    if (this.told.length % 3 === 2 && this.heard < this.told.length) return undefined;
    this.told.push(`${this.name}${this.told.length}`);
    return this.told.at(-1);
  }

  join(round: string): void {
    this.told.push(round);
  }
}

describe("RoundsScheduler", () => {
  let device: FakeDevice;
  let scheduler: RoundsScheduler<CountedText, number, string>;
  beforeEach(() => {
    device = new FakeDevice();
    scheduler = new RoundsScheduler((texts) => device.roundsFor(texts));
  });
  afterEach(() => scheduler.idle());

  /** @param goesOn asked after every round; by default the text ends when the device says so */
  function decode(
    text: CountedText,
    more: {
      source?: FakeProposer;
      signal?: AbortSignal;
      turn?: (company?: object) => Promise<void>;
      goesOn?: () => boolean;
    } = {},
  ): Promise<void> {
    return scheduler.decode({
      text,
      ...more,
      take(count) {
        text.heard.push(count);
        text.count = count;
        if (more.source !== undefined) more.source.heard++;
        return count < text.length && (more.goesOn?.() ?? true);
      },
    });
  }

  const counted = (length: number) => Array.from({ length }, (_, i) => i + 1);

  it("takes texts of any length further in the same rounds", async () => {
    const texts = [new CountedText("a", 5), new CountedText("b", 2), new CountedText("c", 9)];
    await Promise.all(texts.map((text) => decode(text)));
    for (const { heard, length } of texts) assert.deepEqual(heard, counted(length));
    await scheduler.idle();
    assert.ok(device.submitted <= 9 + 2 * roundsInFlight, device.log.join(" "));
    assert.equal(device.log[0], "4:abc");
  });

  it("gives a text that is alone the rounds that it proposes, and waits where it wants to", async () => {
    const text = new CountedText("a", 7);
    const source = new FakeProposer("p");
    const underWay: number[] = [];
    device.beforeRead = async () => {
      underWay.push(source.told.length - source.heard);
      await tick();
    };
    const turns = new Turns(tick);
    const place = turns.enter("typed", {}, never);
    await decode(text, { source, turn: (company) => place.next(company) }).then(() => place.leave());
    await scheduler.idle();
    assert.equal(turns.granted.typed, device.submitted, "waiting takes no turn");
    assert.deepEqual(text.heard, counted(7));
    assert.deepEqual(device.asked, source.told);
    assert.deepEqual(underWay.slice(0, 6), [2, 1, 2, 2, 1, 2]);
  });

  it("tells proposers of the usual round that several texts share, and asks again who is alone", async () => {
    const [long, short] = [new CountedText("a", 20), new CountedText("b", 4)];
    const [one, two] = [new FakeProposer("p"), new FakeProposer("q")];
    let joined: Promise<void> | undefined;
    const goesOn = () => {
      if (long.count === 3) joined = decode(short, { source: two });
      return true;
    };
    await decode(long, { source: one, goesOn });
    await joined;
    await scheduler.idle();
    assert.deepEqual([long.heard, short.heard], [counted(20), counted(4)]);
    assert.deepEqual(device.asked, one.told);
    assert.deepEqual(new Set(two.told), new Set(["usual for 2"]));
    const shared = one.told.map((round) => round === "usual for 2");
    assert.equal(shared.filter(Boolean).length, two.told.length);
    assert.ok(!shared[0] && !shared.at(-1) && shared.lastIndexOf(true) - shared.indexOf(true) + 1 === two.told.length);
  });

  it("lets texts in and out between rounds, in rounds with no more places than they need", async () => {
    const long = new CountedText("a", 30);
    const [second, third] = [new CountedText("b", 12), new CountedText("c", 3)];
    const joined: Promise<void>[] = [];
    const goesOn = () => {
      if (long.count === 5) joined.push(decode(second));
      if (long.count === 7) joined.push(decode(third));
      return true;
    };
    await decode(long, { goesOn });
    await Promise.all(joined);
    for (const { heard, length } of [long, second, third]) assert.deepEqual(heard, counted(length));
    const shapes = device.log.map((round) => round.split(":")[0]).filter((width, i, all) => width !== all[i - 1]);
    assert.deepEqual(shapes, ["1", "2", "4", "2", "1"], device.log.join(" "));
  });

  it("leaves no round under way behind the last text, and lets no other wait for its own", async () => {
    const abort = new AbortController();
    const [stopped, cancelled] = [new CountedText("a", 99), new CountedText("b", 99)];
    const underWay: number[] = [];
    const seen = () => underWay.push(device.submitted - device.read);
    const goesOn = () => {
      if (cancelled.count === 6) abort.abort();
      return true;
    };
    await Promise.all([
      decode(stopped, { goesOn: () => stopped.count < 3 }).then(seen),
      decode(cancelled, { signal: abort.signal, goesOn }).then(seen),
    ]);
    assert.deepEqual(underWay, [1, 0]);
    await decode(new CountedText("c", 5), { goesOn: () => false });
    assert.equal(device.submitted, device.read);
    device.seatFails = "d";
    await assert.rejects(decode(new CountedText("d", 5)), /no seat/);
  });

  it("gives the place of a text that was stopped to another without mixing up their rounds", async () => {
    const [stopped, other, next] = [new CountedText("a", 99), new CountedText("b", 12), new CountedText("c", 5)];
    const both = [decode(stopped, { goesOn: () => stopped.count < 3 }), decode(other)];
    // It joins while rounds with the stopped text are still under way.
    const later = both[0]!.then(() => decode(next));
    await Promise.all([...both, later]);
    assert.deepEqual([stopped.heard, other.heard, next.heard], [counted(3), counted(12), counted(5)]);
  });

  it("ends a text that is cancelled with the round under way, and leaves the others alone", async () => {
    const abort = new AbortController();
    const [cancelled, other] = [new CountedText("a", 99), new CountedText("b", 8)];
    const goesOn = () => {
      if (cancelled.count === 3) abort.abort();
      return true;
    };
    await Promise.all([decode(cancelled, { signal: abort.signal, goesOn }), decode(other)]);
    assert.deepEqual([cancelled.heard, other.heard], [counted(3), counted(8)]);
  });

  it("fails one text for what only that one did, and all for a device that is gone", async () => {
    const [faulty, unseated, other] = [new CountedText("a", 9), new CountedText("b", 9), new CountedText("c", 9)];
    device.seatFails = "b";
    const goesOn = () => (faulty.count === 2 ? assert.fail("listener") : true);
    const ends = await Promise.allSettled([decode(faulty, { goesOn }), decode(unseated), decode(other)]);
    assert.deepEqual(
      ends.map((end) => (end.status === "rejected" ? (end.reason as Error).message : "ended")),
      ["listener", "no seat", "ended"],
    );
    assert.deepEqual(other.heard, counted(9));

    const lost = new Error("lost");
    device.beforeRead = async () => {
      throw lost;
    };
    const all = [new CountedText("d", 9), new CountedText("e", 9)].map((text) => decode(text));
    for (const text of all) await assert.rejects(text, lost);

    device.beforeRead = tick;
    const next = [new CountedText("f", 6), new CountedText("g", 4)];
    await Promise.all(next.map((text) => decode(text)));
    assert.deepEqual(
      next.map(({ heard }) => heard),
      [counted(6), counted(4)],
    );
  });

  it("shares one turn among all texts, and lets what else waits in between", async () => {
    const turns = new Turns(tick);
    const [first, second, third] = [{}, {}, {}].map((owner) => turns.enter("typed", owner, never));
    const texts = [new CountedText("a", 10), new CountedText("b", 10)];
    const roundsBetween: number[] = [];
    const prompt = async () => {
      for (let chunk = 0; chunk < 4; chunk++) {
        const before = device.submitted;
        await third!.next();
        roundsBetween.push(device.submitted - before);
        await tick();
      }
      third!.leave();
    };
    const [one, two] = [first!, second!];
    await Promise.all([
      decode(texts[0]!, { turn: (company) => one.next(company) }).then(() => one.leave()),
      decode(texts[1]!, { turn: (company) => two.next(company) }).then(() => two.leave()),
      prompt(),
    ]);
    for (const { heard } of texts) assert.deepEqual(heard, counted(10));
    assert.ok(Math.max(...roundsBetween) <= 1, `${roundsBetween}`);
    await scheduler.idle();
    assert.equal(turns.granted.typed, device.submitted + 4);
  });

  it("begins with a text whose request holds the turn that the others wait for", async () => {
    const turns = new Turns(tick);
    const [one, two] = [turns.enter("typed", {}, never), turns.enter("typed", {}, never)];
    const long = new CountedText("a", 12);
    const decoding = decode(long, { turn: (company) => one.next(company) }).then(() => one.leave());
    while (long.count < 2) await tick();
    await two.next();
    const joining = new CountedText("b", 3);
    await decode(joining, { turn: (company) => two.next(company) });
    two.leave();
    await decoding;
    assert.deepEqual([long.heard, joining.heard], [counted(12), counted(3)]);
    assert.ok(device.log.includes("2:ab"), device.log.join(" "));
  });

  it("asks once for the turn of a request that has several texts", async () => {
    const turns = new Turns(tick);
    const place = turns.enter("typed", {}, never);
    const turn = (company?: object) => place.next(company);
    const texts = [new CountedText("a", 3), new CountedText("b", 5), new CountedText("c", 4)];
    await Promise.all(texts.map((text) => decode(text, { turn })));
    place.leave();
    await scheduler.idle();
    assert.equal(turns.granted.typed, device.submitted);
  });
});
