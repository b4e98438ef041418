import assert from "node:assert/strict";
import { SnippetRing, takeChunk } from "../../../src/extension/snippetRing.ts";
import { linesOf } from "./textSource.ts";

function numbered(count: number, word: string): string {
  return Array.from({ length: count }, (_, index) => `${word} ${index}`).join("\n");
}

function chunkOf(text: string, path: string, line = 0) {
  return takeChunk(linesOf(text), `file:///${path}`, path, line)!;
}

describe("SnippetRing", () => {
  it("takes 64 lines around a place, within the document, where something is written", () => {
    const chunk = chunkOf(numbered(200, "x"), "a", 100);
    assert.deepEqual([chunk.firstLine, chunk.lines.length, chunk.lines[0]], [68, 64, "x 68"]);
    assert.equal(chunkOf(numbered(200, "x"), "a", 199).firstLine, 136);
    assert.equal(chunkOf(numbered(10, "x"), "a", 5).lines.length, 10);
    assert.equal(takeChunk(linesOf("a\n\n\n\nb"), "u", "p", 0), undefined);
  });

  it("takes fewer lines where they are long, those at the place, and none of data in one line", () => {
    const long = Array.from({ length: 40 }, (_, index) => `${index} ${"x".repeat(1000)}`).join("\n");
    const chunk = chunkOf(long, "a", 20);
    assert.deepEqual([chunk.firstLine, chunk.lines.length], [17, 8]);
    assert.equal(takeChunk(linesOf(`{\n${"1,".repeat(300_000)}\n}\n`), "u", "p", 1), undefined);
    assert.equal(takeChunk(linesOf(`a\nb\nc\nd\n${"1,".repeat(300_000)}`), "u", "p", 1)?.lines.length, 4);
  });

  it("keeps the latest 16 chunks", () => {
    const ring = new SnippetRing();
    for (let i = 0; i < 20; i++) ring.add(chunkOf(numbered(10, `w${i}`), `${i}.ts`));
    assert.deepEqual(
      ring.all.map(({ path }) => path),
      Array.from({ length: 16 }, (_, index) => `${index + 4}.ts`),
    );
  });

  it("replaces chunks of which more than nine tenths of the lines are the same", () => {
    const ring = new SnippetRing();
    ring.add(chunkOf(numbered(40, "x"), "old.ts"));
    ring.add(chunkOf(`${numbered(40, "x")}\nnew`, "copy.ts"));
    assert.deepEqual(
      ring.all.map(({ path }) => path),
      ["copy.ts"],
    );
    ring.add(chunkOf(`${numbered(30, "x")}\n${numbered(10, "y")}`, "other.ts"));
    assert.equal(ring.all.length, 2);
  });

  it("replaces an older version of the same place, keeps other places of the file, and forgets files", () => {
    const ring = new SnippetRing();
    ring.add(chunkOf(numbered(300, "x"), "a.ts", 40));
    ring.add(chunkOf(numbered(300, "changed"), "a.ts", 50));
    ring.add(chunkOf(numbered(300, "x"), "a.ts", 200));
    assert.deepEqual(
      ring.all.map(({ lines }) => lines[0]),
      ["changed 18", "x 168"],
    );
    assert.ok(ring.forget(({ uri }) => uri === "file:///a.ts"));
    assert.ok(!ring.forget(({ uri }) => uri === "file:///a.ts"));
    assert.equal(ring.all.length, 0);
  });
});
