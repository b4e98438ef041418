import assert from "node:assert/strict";
import { Acceptance, type DocumentChange } from "../../../src/extension/acceptance.ts";
import { stateOf } from "./asking.ts";
import { FakeClock } from "./fakeClock.ts";

describe("Acceptance", () => {
  let clock: FakeClock;
  let acceptance: Acceptance;
  beforeEach(() => {
    clock = new FakeClock();
    acceptance = new Acceptance(clock);
  });
  const item = (text: string, suggestion: string, character = text.indexOf("|")) => ({
    state: stateOf(text),
    text: suggestion,
    line: 0,
    character,
  });
  const offer = (text: string, suggestion: string) => acceptance.offered([item(text, suggestion)])[0]!;
  const edit = (offset: number, removed: number, text: string, more: Partial<DocumentChange> = {}) =>
    acceptance.edited({
      uri: "file:///a.ts",
      offset,
      removed,
      text,
      line: 0,
      character: offset,
      undoing: false,
      ...more,
    });

  it("counts a suggestion once, however it is typed into and grows", () => {
    offer("a|", "bcd");
    offer("ab|", "cd");
    offer("ab|", "cd\nef");
    assert.equal(acceptance.counts.offered, 1);
    offer("ab|", "xy");
    assert.equal(acceptance.counts.offered, 2);
  });

  it("counts what is accepted and what of it stands after 30 seconds", async () => {
    const text = "const total = sum(values);";
    acceptance.acceptedAt(offer("x|", text), 1);
    await clock.advance(29_999);
    assert.deepEqual(acceptance.counts, { offered: 1, accepted: 1, partlyAccepted: 0, kept: 0, judged: 0 });
    await clock.advance(1);
    assert.deepEqual([acceptance.counts.judged, acceptance.counts.kept], [1, 1]);
  });

  const text = "const total = sum(values);";
  const edits = [
    ["text before it", true, () => edit(0, 0, "import everything;\n")],
    ["a line right before it", true, () => edit(10, 0, "x".repeat(60))],
    ["a line right behind it", true, () => edit(10 + text.length, 0, "x".repeat(60))],
    ["text behind it", true, () => edit(10 + text.length, 5, "")],
    ["a renamed name", true, () => edit(16, 5, "all")],
    ["half of it deleted", false, () => edit(20, 16, "")],
    ["all of it deleted from far above", false, () => edit(0, 100, "")],
    ["another document", true, () => edit(10, 26, "", { uri: "file:///b.ts" })],
    ["a shift, then its deletion", false, () => [edit(0, 0, "12345"), edit(15, 26, "")]],
  ] as const;
  for (const [what, kept, change] of edits)
    it(`takes it for ${kept ? "kept" : "dropped"} after an edit: ${what}`, async () => {
      acceptance.acceptedAt(offer("0123456789|", text), 10);
      change();
      await clock.advance(30_000);
      assert.equal(acceptance.counts.kept, Number(kept));
    });

  it("sees words and lines that are taken from a suggestion, and counts that once", () => {
    offer("a|", "first second\nthird");
    edit(1, 0, "first ");
    acceptance.offered([item("afirst |", "second\nthird")]);
    edit(7, 0, "second\n");
    assert.deepEqual([acceptance.counts.partlyAccepted, acceptance.counts.accepted], [1, 0]);
  });

  const typed = [
    ["a character", () => edit(1, 0, "(")],
    ["an emoji", () => edit(1, 0, "\u{1f600}")],
    ["brackets that the editor closes", () => edit(1, 0, "()")],
    ["something else", () => edit(1, 0, "other")],
    ["a redone edit", () => edit(1, 0, "() =>", { undoing: true })],
    ["another place", () => edit(0, 0, "() =>")],
    ["all of it", () => edit(1, 0, "() => 1")],
  ] as const;
  for (const [what, change] of typed)
    it(`does not take for a part of it: ${what}`, () => {
      offer("a|", "() => 1");
      change();
      assert.equal(acceptance.counts.partlyAccepted, 0);
    });

  it("counts an item once and ignores what it never offered", () => {
    const id = offer("a|", "b");
    acceptance.acceptedAt(id, 1);
    acceptance.acceptedAt(id, 1);
    acceptance.acceptedAt(999, 1);
    assert.equal(acceptance.counts.accepted, 1);
  });

  it("tells about every change and forgets what it counted", async () => {
    const told: number[] = [];
    acceptance = new Acceptance(clock, ({ offered, accepted }) => told.push(offered, accepted));
    acceptance.acceptedAt(offer("a|", "b"), 1);
    acceptance.reset();
    await clock.advance(30_000);
    assert.deepEqual(told, [1, 0, 1, 1, 0, 0]);
  });
});
