import assert from "node:assert/strict";
import { cursorFacts } from "../../../src/engine/completion/facts.ts";
import { toDocumentLineEnds } from "../../../src/engine/completion/lines.ts";
import { factsAt } from "./cursor.ts";

describe("cursorFacts", () => {
  it("splits the document around the cursor", () => {
    const facts = factsAt("def f(x):\n    return ¦x\n\nf(1)\n", "python");
    assert.deepEqual(facts.precedingLines, ["def f(x):"]);
    assert.equal(facts.linePrefix, "    return ");
    assert.equal(facts.lineSuffix, "x");
    assert.deepEqual(facts.followingLines, ["", "f(1)", ""]);
    assert.equal(facts.insertsLines, false);
  });

  it("reads carriage returns as line ends and says which the document has", () => {
    const facts = factsAt("a = 1\r\nb = ¦\r\nc = 3\r\n", "python");
    assert.equal(facts.eol, "\r\n");
    assert.deepEqual([facts.precedingLines, facts.lineSuffix, facts.followingLines], [["a = 1"], "", ["c = 3", ""]]);
    assert.equal(factsAt("a = ¦\r\nb", "python").eol, "\r\n");
    assert.equal(factsAt("a\nb = ¦\r\nc", "python").eol, "\n");
    assert.equal(factsAt("¦", "python").eol, "\n");
  });

  it("takes the cursor's line as the next one where the cursor stands before it", () => {
    const facts = factsAt("def f(x):\n  ¦  return x\n", "python");
    assert.equal(facts.insertsLines, true);
    assert.equal(facts.lineSuffix, "");
    assert.equal(facts.followingLines[0], "    return x");
  });

  const modes: readonly (readonly [document: string, mode: "single" | "multi"])[] = [
    ["f(¦)", "multi"],
    ["f(¦);", "multi"],
    ["f({ a: ¦ }) {", "multi"],
    ["f(¦, b)", "single"],
    ["return ¦x", "single"],
    ["x = ¦", "multi"],
    ["  // note ¦", "single"],
    ["¦  x", "multi"],
    ["<b>¦</b>", "multi"],
  ];
  for (const [document, mode] of modes)
    it(`${document} is ${mode}`, () => assert.equal(factsAt(document, "typescript").mode, mode));

  const units: readonly (readonly [document: string, unit: string])[] = [
    ["if x:\n  a\n  if y:\n    b\n¦", "  "],
    ["if x:\n    a\n¦", "    "],
    ["if x {\n\ta\n\tif y {\n\t\tb\n¦", "\t"],
    ["a\n¦", "    "],
  ];
  for (const [document, unit] of units)
    it(`${JSON.stringify(document)} indents by ${JSON.stringify(unit)}`, () =>
      assert.equal(factsAt(document).indentUnit, unit));

  const families = [
    ["import os\n\ndef f():\n    ¦\n", "indentation"],
    ["function f() {\n  ¦\n}\n", "braces"],
    ["<div>\n  ¦\n</div>\n", "markup"],
    ["¦", "braces"],
  ] as const;
  for (const [document, family] of families)
    it(`${JSON.stringify(document)} looks like ${family}`, () => assert.equal(factsAt(document).family, family));

  it("costs no more for a long document than for a short one", () => {
    const half = "    value = compute(1)\n".repeat(200_000);
    const started = performance.now();
    for (let times = 0; times < 20; times++) cursorFacts(half, half, "python");
    assert.ok(performance.now() - started < 1000);
    assert.equal(cursorFacts(half, half, "python").precedingLines.length, 64);
  });
});

describe("toDocumentLineEnds", () => {
  it("writes the document's line ends", () => {
    assert.equal(toDocumentLineEnds("a\nb\r\nc", "\r\n"), "a\r\nb\r\nc");
    assert.equal(toDocumentLineEnds("a\nb\r\nc", "\n"), "a\nb\nc");
  });
});
