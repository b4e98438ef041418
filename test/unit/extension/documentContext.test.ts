import assert from "node:assert/strict";
import { charactersAbove, readSurroundings, type TextSource } from "../../../src/extension/documentContext.ts";
import { linesOf } from "./textSource.ts";

/** A document that counts what is read of it. */
function counted(lineCount: number, lineAt: (line: number) => string) {
  const read = new Set<number>();
  const source: TextSource = {
    lineCount,
    eol: "\n",
    lineAt(line) {
      read.add(line);
      return lineAt(line);
    },
  };
  return { source, read };
}

describe("readSurroundings", () => {
  it("reads a small document whole, in its own line ends and indentation", () => {
    const text = "a\r\n\tb é\u{1f600} c\r\nd";
    const { prefix, suffix, linePrefix, restOfLine, fromTop, toEnd } = readSurroundings(linesOf(text), {
      line: 1,
      character: 3,
    });
    assert.equal(prefix + suffix, text);
    assert.deepEqual([prefix, linePrefix, restOfLine], ["a\r\n\tb ", "\tb ", "é\u{1f600} c"]);
    assert.ok(fromTop && toEnd);
  });

  it("reads a bounded part of 100,000 lines, and one that begins at the same place line after line", () => {
    const starts = new Set<string>();
    for (let line = 50_000; line < 50_200; line++) {
      const { source, read } = counted(100_000, (index) => `line ${index}`);
      const { start, prefix, fromTop, toEnd } = readSurroundings(source, { line, character: 4 });
      assert.ok(read.size < 1000, `${read.size} lines`);
      assert.ok(prefix.startsWith("line ") && prefix.endsWith("\nline"));
      assert.ok(!fromTop && !toEnd);
      starts.add(start);
    }
    assert.ok(starts.size <= 2, [...starts].join(" "));
  });

  it("moves the beginning in steps of at least a quarter where lines are long", () => {
    const changes: number[] = [];
    let before: string | undefined;
    for (let line = 600; line < 760; line++) {
      const { prefix, start } = readSurroundings(counted(2000, (index) => `${index} ${"x".repeat(100)}`).source, {
        line,
        character: 0,
      });
      assert.ok(prefix.length <= charactersAbove && prefix.length >= charactersAbove / 2);
      assert.match(prefix, /^\d+ x/);
      if (before !== undefined && start !== before) changes.push(line);
      before = start;
    }
    assert.ok(changes.length >= 2);
    for (const [index, line] of changes.entries())
      if (index > 0) assert.ok((line - changes[index - 1]!) * 104 >= charactersAbove / 4 - 104);
  });

  it("cuts a line of a megabyte, but no character of it", () => {
    const giant = `x${"\u{1f600}".repeat(500_000)}`;
    const source = counted(1, () => giant).source;
    for (const character of [600_001, 600_003, 600_005]) {
      const { prefix, suffix } = readSurroundings(source, { line: 0, character });
      assert.ok(prefix.length <= charactersAbove && suffix.length <= 2000);
      for (const part of [prefix, suffix]) assert.equal(Buffer.from(part).toString(), part);
    }
  });

  it("takes the suggestion widget's text for typed", () => {
    const selected = { start: { line: 0, character: 2 }, end: { line: 0, character: 4 }, text: "forEach" };
    const { prefix, suffix } = readSurroundings(linesOf("x.fo;\n"), { line: 0, character: 4 }, selected);
    assert.deepEqual([prefix, suffix], ["x.forEach", ";\n"]);
  });
});
