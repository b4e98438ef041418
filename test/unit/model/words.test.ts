import assert from "node:assert/strict";
import { preTokenizationOf } from "../../../src/engine/model/preTokenizers.ts";
import { isolate, spaceRuns, wordSplitter } from "../../../src/engine/model/words.ts";
import { readJson } from "./fixtures.ts";

const corpus = readJson<string[]>("tokenizer", "corpus.json");
const families = readJson<{ pre: string; ends: number[][] }[]>("tokenizer", "words.json");

describe("words", () => {
  for (const { pre, ends } of families) {
    it(`cuts as the published pre-tokenizer of ${pre}`, () => {
      const words = wordSplitter([], preTokenizationOf(pre, "m").splits.map(isolate));
      for (const [i, text] of corpus.entries()) {
        const characters = [...text];
        const expected = ends[i]!.map((end, word) =>
          characters.slice(word === 0 ? 0 : ends[i]![word - 1], end).join(""),
        );
        assert.deepEqual(words(text), expected, JSON.stringify(text));
      }
    });
  }

  it("normalizes first", () => {
    assert.deepEqual(wordSplitter([{ type: "NFC" }], [isolate("e|é")])("e\u0301e"), ["é", "e"]);
  });

  it("cuts SentencePiece text at runs of spaces only where no entry crosses their start", () => {
    assert.deepEqual(wordSplitter([], spaceRuns(["▁a", "▁▁", "b"]))("▁a▁▁b▁"), ["▁a", "▁▁b", "▁"]);
    assert.deepEqual(wordSplitter([], spaceRuns(["▁a", "a▁b"]))("▁a▁▁b▁"), ["▁a▁▁b▁"]);
  });
});
