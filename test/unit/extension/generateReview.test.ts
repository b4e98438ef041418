import assert from "node:assert/strict";
import { changedRange, type OffsetRange, type TextChange } from "../../../src/extension/generateRange.ts";
import {
  type Answer,
  type Ask,
  GenerationReview,
  type ReviewedDocument,
} from "../../../src/extension/generateReview.ts";

/** A document with an undo history, which tells of its changes as an editor does: before an edit resolves. */
class FakeDocument implements ReviewedDocument {
  onChange: (changes: readonly TextChange[]) => void = () => undefined;
  /** Edits that are refused before one is accepted again. */
  refusals = 0;
  /** Runs while an edit is on its way. */
  meanwhile: (() => void) | undefined;
  private readonly undoStack: string[] = [];
  private open = false;

  constructor(public text: string) {}

  textIn({ start, end }: OffsetRange): string {
    return this.text.slice(start, end);
  }

  async replace(
    { start, end }: OffsetRange,
    text: string,
    undo: { before: boolean; after: boolean },
  ): Promise<boolean> {
    await Promise.resolve();
    const { meanwhile } = this;
    this.meanwhile = undefined;
    meanwhile?.();
    if (meanwhile !== undefined || this.refusals > 0) {
      this.refusals = Math.max(0, this.refusals - 1);
      return false;
    }
    if (undo.before || !this.open) this.undoStack.push(this.text);
    this.open = !undo.after;
    this.apply({ offset: start, length: end - start, text });
    return true;
  }

  /** The user replaces the only occurrence of `old`. */
  type(old: string, text: string): void {
    const offset = this.text.indexOf(old);
    assert.ok(offset >= 0, old);
    this.undoStack.push(this.text);
    this.open = false;
    this.apply({ offset, length: old.length, text });
  }

  undo(): void {
    const before = this.undoStack.pop()!;
    let [same, sameAtEnd] = [0, 0];
    while (before[same] !== undefined && before[same] === this.text[same]) same += 1;
    const most = Math.min(before.length, this.text.length) - same;
    while (sameAtEnd < most && before.at(-1 - sameAtEnd) === this.text.at(-1 - sameAtEnd)) sameAtEnd += 1;
    const length = this.text.length - same - sameAtEnd;
    this.apply({ offset: same, length, text: before.slice(same, before.length - sameAtEnd) });
  }

  get undoSteps(): number {
    return this.undoStack.length;
  }

  private apply({ offset, length, text }: TextChange): void {
    this.text = this.text.slice(0, offset) + text + this.text.slice(offset + length);
    this.onChange([{ offset, length, text }]);
  }
}

/** An engine that says what it is told to, when it is told to. */
class ScriptedEngine {
  onText: (text: string) => void = () => undefined;
  answer: (answer: Answer | undefined) => void = () => undefined;
  fail: (error: Error) => void = () => undefined;
  cancelled = false;

  readonly ask: Ask = (token, onText) =>
    new Promise((resolve, reject) => {
      this.onText = onText;
      this.answer = resolve;
      this.fail = reject;
      this.cancelled = false;
      token.onCancellationRequested(() => {
        this.cancelled = true;
        resolve(undefined);
      });
    });
}

function review(before: string) {
  const [prefix = "", original = "", suffix = ""] = before.split("|");
  const document = new FakeDocument(prefix + original + suffix);
  const engine = new ScriptedEngine();
  const told: string[] = [];
  const states: string[] = [];
  const place = { start: prefix.length, end: prefix.length + original.length };
  const subject: GenerationReview = new GenerationReview(document, place, {
    changed: () => states.push(subject.state),
    tell: (kind, message) => told.push(`${kind}: ${message}`),
    nothingWritten: "nothing",
    wasCut: "cut",
  });
  document.onChange = (changes) => subject.documentChanged(changes);
  return { document, engine, told, states, review: subject, start: () => subject.generate(engine.ask) };
}

/** Lets everything that is ready run. */
const settled = () => new Promise((resolve) => setImmediate(resolve));
const whole = (text: string): Answer => ({ text, cut: false });

async function reviewed(before: string, text: string) {
  const setting = review(before);
  const done = setting.start();
  setting.engine.answer(whole(text));
  await done;
  assert.equal(setting.review.state, "reviewing");
  return setting;
}

describe("GenerationReview", () => {
  it("writes the code as it comes, as one step of the undo history", async () => {
    const { document, engine, review: subject, start, states } = review("a\n|old|\nb\n");
    const done = start();
    for (const text of ["ne", "new", "new code"]) {
      engine.onText(text);
      await settled();
      assert.equal(document.text, `a\n${text}\nb\n`);
    }
    engine.answer(whole("new code!"));
    await done;
    assert.equal(document.text, "a\nnew code!\nb\n");
    assert.equal(subject.state, "reviewing");
    assert.equal(document.undoSteps, 1);
    assert.equal(states[0], "generating");
  });

  it("skips texts that come faster than the editor takes them", async () => {
    const { document, engine, start } = review("||");
    const done = start();
    for (let length = 1; length <= 50; length++) engine.onText("x".repeat(length));
    engine.answer(whole("x".repeat(51)));
    await done;
    assert.equal(document.text, "x".repeat(51));
  });

  it("takes lines back that the engine takes back", async () => {
    const { document, engine, start } = review("<||>");
    const done = start();
    engine.onText("a\nb\nc");
    await settled();
    engine.answer(whole("a\nb"));
    await done;
    assert.equal(document.text, "<a\nb>");
  });

  it("keeps what was accepted", async () => {
    const { document, review: subject } = await reviewed("a|old|b", "new");
    subject.accept();
    assert.equal(subject.state, "accepted");
    await subject.reject();
    assert.equal(document.text, "anewb");
  });

  it("rejects to exactly what stood there, in one step", async () => {
    const { document, review: subject } = await reviewed("a|\r\n\told é🙂 |b", "new\r\ncode");
    const steps = document.undoSteps;
    await subject.reject();
    assert.equal(document.text, "a\r\n\told é🙂 b");
    assert.equal(subject.state, "rejected");
    assert.equal(document.undoSteps, steps + 1);
    document.undo();
    assert.equal(document.text, "anew\r\ncodeb");
  });

  it("rejects although the document changed elsewhere meanwhile", async () => {
    const { document, review: subject } = await reviewed("first\n|old|\nlast\n", "new");
    document.type("first", "a longer first line");
    document.type("last\n", "");
    document.type("new", "new code");
    await subject.reject();
    assert.equal(document.text, "a longer first line\nold\n");
  });

  it("follows changes while it writes, and tries again where the editor refuses", async () => {
    const { document, engine, start, review: subject } = review("top\n|old|\nend\n");
    const done = start();
    engine.onText("ne");
    document.meanwhile = () => document.type("top", "a new top");
    await settled();
    document.refusals = 3;
    engine.answer(whole("new"));
    await done;
    assert.equal(document.text, "a new top\nnew\nend\n");
    await subject.reject();
    assert.equal(document.text, "a new top\nold\nend\n");
  });

  it("gives up where the editor never takes the text, and says so", async () => {
    const { document, engine, told, start, review: subject } = review("|old|");
    document.refusals = 1000;
    const done = start();
    engine.answer(whole("new"));
    await done;
    assert.deepEqual(told, ["failure: The editor refused the generated code: the document changes too fast."]);
    assert.ok(subject.ended);
    assert.equal(document.text, "old");
  });

  it("cancels the request at once, and leaves what was written to be reviewed", async () => {
    const { document, engine, review: subject, start } = review("|old|");
    const done = start();
    engine.onText("half");
    await settled();
    const cancelling = subject.cancel();
    assert.ok(engine.cancelled);
    await Promise.all([cancelling, done]);
    assert.equal(subject.state, "reviewing");
    engine.onText("half and more");
    await settled();
    assert.equal(document.text, "half");
    await subject.reject();
    assert.equal(document.text, "old");
  });

  it("has nothing to decide where nothing was written", async () => {
    const { document, engine, review: subject, start } = review("|old|");
    const done = start();
    await subject.cancel();
    await done;
    assert.ok(engine.cancelled && subject.ended);
    assert.deepEqual([document.text, document.undoSteps], ["old", 0]);
  });

  it("says when the model wrote nothing, and removes nothing", async () => {
    const { document, engine, told, review: subject, start } = review("|old|");
    const done = start();
    engine.answer(whole(""));
    await done;
    assert.deepEqual([document.text, told, subject.ended], ["old", ["note: nothing"], true]);
  });

  it("passes on what the engine says, and what went wrong", async () => {
    const noted = review("||");
    const done = noted.start();
    noted.engine.answer({ text: "x", cut: false, note: "No chat format." });
    await done;
    assert.deepEqual(noted.told, ["note: No chat format."]);

    const long = review("||");
    const cutting = long.start();
    long.engine.answer({ text: "x", cut: true });
    await cutting;
    assert.deepEqual([long.told, long.review.state], [["note: cut"], "reviewing"]);

    const failed = review("|old|");
    const failing = failed.start();
    failed.engine.fail(new Error("The model is gone."));
    await failing;
    assert.deepEqual([failed.told, failed.review.ended], [["failure: The model is gone."], true]);
  });

  it("asks again, and still rejects to what stood there at first", async () => {
    const { document, engine, review: subject, start } = await reviewed("<|old|>", "first");
    const again = start();
    assert.equal(subject.state, "generating");
    assert.equal(document.text, "<first>");
    engine.onText("sec");
    await settled();
    assert.equal(document.text, "<sec>");
    engine.answer(whole("second"));
    await again;
    await subject.reject();
    assert.equal(document.text, "<old>");
  });

  it("keeps the last code where asking again is cancelled", async () => {
    const { document, review: subject, start } = await reviewed("<|old|>", "first");
    const again = start();
    await subject.cancel();
    await again;
    assert.deepEqual([subject.state, document.text], ["reviewing", "<first>"]);
  });

  it("rejects in the middle of writing", async () => {
    const { document, engine, review: subject, start } = review("<|old|>");
    const done = start();
    engine.onText("half");
    engine.onText("half of it");
    await subject.reject();
    await done;
    assert.deepEqual([document.text, subject.state, engine.cancelled], ["<old>", "rejected", true]);
  });

  it("ends where the user undoes the code", async () => {
    const { document, review: subject } = await reviewed("<|old|>", "new");
    document.undo();
    assert.deepEqual([document.text, subject.state], ["<old>", "rejected"]);
  });

  it("ends with its document", async () => {
    const { document, engine, review: subject, start } = review("|old|");
    const done = start();
    subject.close();
    await done;
    assert.ok(engine.cancelled && subject.ended);
    assert.equal(document.text, "old");
  });
});

describe("changedRange", () => {
  const range = { start: 10, end: 20 };
  const cases: readonly (readonly [string, TextChange, boolean, OffsetRange])[] = [
    ["moves with text before", { offset: 2, length: 3, text: "x" }, false, { start: 8, end: 18 }],
    ["moves with text typed right before", { offset: 10, length: 0, text: "ab" }, false, { start: 12, end: 22 }],
    ["stays where text is typed right behind", { offset: 20, length: 0, text: "ab" }, false, range],
    ["stays for what comes after", { offset: 25, length: 5, text: "" }, false, range],
    ["grows with text typed inside", { offset: 12, length: 2, text: "abcd" }, false, { start: 10, end: 22 }],
    ["takes in a change across its start", { offset: 8, length: 4, text: "" }, false, { start: 8, end: 16 }],
    ["takes in a change across its end", { offset: 18, length: 4, text: "x" }, false, { start: 10, end: 19 }],
    ["takes in a change around it", { offset: 0, length: 40, text: "abc" }, false, { start: 0, end: 3 }],
    ["grows with its own text behind it", { offset: 20, length: 0, text: "ab" }, true, { start: 10, end: 22 }],
    ["shrinks with its own", { offset: 10, length: 10, text: "" }, true, { start: 10, end: 10 }],
  ];
  for (const [name, change, own, expected] of cases)
    it(name, () => assert.deepEqual(changedRange(range, change, own), expected));
});
