import assert from "node:assert/strict";
import { CompletionCache } from "../../../src/extension/completionCache.ts";
import { stateOf } from "./asking.ts";

describe("CompletionCache", () => {
  let cache: CompletionCache;
  beforeEach(() => {
    cache = new CompletionCache();
  });
  const texts = (text: string) => cache.find(stateOf(text))?.texts;

  it("finds what was typed into, across line breaks, at most 128 characters back", () => {
    const lines = `\n${"    call();\n".repeat(20)}`;
    cache.put(stateOf("def f():|"), [`${lines}end`]);
    assert.deepEqual(texts("def f():\n    ca|"), [`${lines}end`.slice(7)]);
    assert.deepEqual(texts(`def f():${lines.slice(0, 128)}|`), [`${lines}end`.slice(128)]);
    assert.equal(texts(`def f():${lines.slice(0, 129)}|`), undefined);
  });

  it("tells apart by the text before, the text behind, document and language", () => {
    cache.put(stateOf("a|b"), ["x"]);
    assert.equal(texts("A|b"), undefined);
    assert.equal(texts("a|B"), undefined);
    assert.equal(cache.find(stateOf("a|b", "python")), undefined);
    assert.equal(cache.find(stateOf("a|b", "typescript", "file:///b.ts")), undefined);
    assert.deepEqual(texts("a|b"), ["x"]);
  });

  it("prefers the nearest state and keeps all alternatives that fit", () => {
    cache.put(stateOf("a|"), ["bcd", "bxy", "zzz"], 3);
    assert.deepEqual(texts("ab|"), ["cd", "xy"]);
    cache.put(stateOf("ab|"), ["other"]);
    assert.deepEqual(texts("ab|"), ["other"]);
  });

  it("has nothing where a suggestion was typed to its end or left", () => {
    cache.put(stateOf("a|"), ["bc"]);
    assert.equal(texts("abc|"), undefined);
    assert.equal(texts("ax|"), undefined);
    assert.equal(texts("|"), undefined);
  });

  it("knows that there was nothing to add at exactly one place", () => {
    cache.put(stateOf("a|"), ["  "]);
    assert.deepEqual(texts("a|"), []);
    assert.equal(texts("ab|"), undefined);
  });

  it("follows brackets that the editor closes, as long as the suggestion closes them too", () => {
    cache.put(stateOf("foo|;"), ["([1], 'x')"]);
    cache.put(stateOf("bar|"), ["(\n  1,"]);
    assert.deepEqual(cache.find(stateOf("foo(|);")), { texts: ["[1], 'x')"], closed: ")", alternatives: 1 });
    assert.deepEqual(cache.find(stateOf("foo([|]);"))?.closed, "])");
    assert.equal(cache.find(stateOf("bar(|)")), undefined);
    assert.equal(cache.find(stateOf("foo|);")), undefined);
  });

  it("keeps 250 completions, those used last", () => {
    for (let i = 0; i < 250; i++) cache.put(stateOf(`a${i} = |`), ["x"]);
    assert.deepEqual(texts("a0 = |"), ["x"]);
    cache.put(stateOf("new = |"), ["x"]);
    assert.equal(cache.size, 250);
    assert.deepEqual(texts("a0 = |"), ["x"]);
    assert.equal(texts("a1 = |"), undefined);
  });
});
