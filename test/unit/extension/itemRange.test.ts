import assert from "node:assert/strict";
import { itemRange } from "../../../src/extension/itemRange.ts";

/** What the line becomes when the item is accepted. */
function accepted(line: string, text: string, closed = ""): string {
  const cursor = line.indexOf("|");
  const [linePrefix, restOfLine] = [line.slice(0, cursor), line.slice(cursor + 1)];
  const { insertText, before, after } = itemRange(text, { linePrefix, restOfLine, closed });
  return linePrefix.slice(0, linePrefix.length - before) + insertText + restOfLine.slice(after);
}

describe("itemRange", () => {
  const cases = [
    ["at the line's end", "  a = |", "1", "", "  a = 1"],
    ["before a bracket that the text leaves alone", "f(|);", "a, b", "", "f(a, b);"],
    ["over a bracket that the text closes itself", "f(|);", "a, b)", ")", "f(a, b);"],
    ["over all of them", "f([|]);", "a], b)", "])", "f([a], b);"],
    ["several lines before a bracket", "f(|);", "\n  a,\n", "", "f(\n  a,\n);"],
    ["several lines over a bracket", "f(|)", "a) {\n}", ")", "f(a) {\n}"],
    ["lines above a line", "  |end", "a\n  ", "", "  a\n  end"],
  ] as const;
  for (const [what, line, text, closed, expected] of cases)
    it(`inserts ${what}, and nothing twice`, () => assert.equal(accepted(line, text, closed), expected));

  it("ends at the line's end where brackets are closed or lines are added, else at the cursor", () => {
    const place = { linePrefix: "f(", restOfLine: ");", closed: "" };
    assert.equal(itemRange("a", place).after, 0);
    assert.equal(itemRange("a)", { ...place, closed: ")" }).after, 2);
    assert.equal(itemRange("a,\nb", place).after, 2);
  });

  it("begins with the suggestion widget's text at its range", () => {
    const item = itemRange("(a)", { linePrefix: "x.", selectedText: "forEach", restOfLine: "", closed: "" });
    assert.deepEqual(item, { insertText: "forEach(a)", before: 0, after: 0 });
  });

  it("does not repeat a minified line", () => {
    const long = "x".repeat(10_000);
    assert.equal(itemRange("a", { linePrefix: long, restOfLine: "", closed: "" }).insertText, "a");
    assert.equal(accepted(`f(|)${long}`, "a)", ")"), `f(a)${long}`);
  });
});
