import assert from "node:assert/strict";
import { charactersAbove, charactersBelow, readSurroundings } from "../../../src/extension/documentContext.ts";
import { notebookState } from "../../../src/extension/notebookText.ts";
import { linesOf } from "./textSource.ts";

const cell = (languageId: string, text: string) => ({ languageId, read: () => text });

describe("notebookState", () => {
  const cells = [cell("python", "import a"), cell("markdown", "# Title"), cell("python", "x ="), cell("python", "y")];

  it("puts neighbouring cells of the same language before and after", () => {
    const here = readSurroundings(linesOf("x ="), { line: 0, character: 3 });
    const { prefix, suffix } = notebookState(here, { cells, index: 2 }, "\n");
    assert.deepEqual([prefix, suffix], ["import a\nx =", "\ny"]);
  });

  it("writes them in the cell's line ends and reads a bounded part", () => {
    const many = Array.from({ length: 1000 }, (_, index) => cell("python", `a${index}\nb${"x".repeat(50)}`));
    const here = readSurroundings(linesOf("x\r\ny"), { line: 1, character: 1 });
    const { prefix, suffix, start } = notebookState(here, { cells: many, index: 500 }, "\r\n");
    assert.doesNotMatch(prefix + suffix, /[^\r]\n/);
    assert.ok(prefix.length <= charactersAbove && suffix.length <= 2 * charactersBelow);
    assert.match(prefix, /a499\r\nbx+\r\nx\r\ny$/);
    assert.match(start, /#\d+$/);
  });

  it("leaves other documents alone", () => {
    const here = readSurroundings(linesOf("a\nb"), { line: 0, character: 1 });
    assert.deepEqual(notebookState(here, undefined, "\n"), { start: here.start, prefix: "a", suffix: "\nb" });
  });
});
