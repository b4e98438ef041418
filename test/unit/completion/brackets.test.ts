import assert from "node:assert/strict";
import { scanBrackets } from "../../../src/engine/completion/brackets.ts";
import type { LanguageFamily } from "../../../src/engine/completion/languages.ts";

const cases: readonly (readonly [
  text: string,
  family: LanguageFamily,
  open: string,
  unmatched: string,
  openString: string | undefined,
])[] = [
  ["f(a[1], {", "braces", "({", "", undefined],
  ["a) + b]", "braces", "", ")]", undefined],
  ["f(') # (')", "indentation", "", "", undefined],
  ["f(  # not )\n", "indentation", "(", "", undefined],
  ["f( // not )\n", "braces", "(", "", undefined],
  ["f( /* not\n ) */ 1", "braces", "(", "", undefined],
  ["fetch(http://x", "braces", "(", "", undefined],
  ["s = '''(\n(\n''' + (", "indentation", "(", "", undefined],
  ["s = '''(\n(", "indentation", "", "", "'''"],
  ["s = `(\n${", "braces", "", "", "`"],
  ['log("(', "braces", "(", "", '"'],
  ['log("(\nf(', "braces", "(((", "", undefined],
  ["fn f<'a>(x: &'a str) {", "braces", "{", "", undefined],
  ["it's (", "prose", "(", "", undefined],
  ['s = "a\\"(" + [', "braces", "[", "", undefined],
];

describe("scanBrackets", () => {
  for (const [text, family, open, unmatched, openString] of cases)
    it(JSON.stringify(text), () => {
      const scan = scanBrackets(text, family);
      const chars = (brackets: typeof scan.open) => brackets.map((bracket) => bracket.char).join("");
      assert.deepEqual([chars(scan.open), chars(scan.unmatched), scan.openString], [open, unmatched, openString]);
      assert.equal(scan.lines.length, text.split("\n").length);
    });

  it("tells for every line what is open above it", () => {
    const { lines } = scanBrackets('f(\n  g([\n    """\n    )\n    """]),\n)\n', "indentation");
    assert.deepEqual(
      lines.map((line) => [line.open.length, line.insideString]),
      [
        [0, false],
        [1, false],
        [3, false],
        [3, true],
        [3, true],
        [1, false],
        [0, false],
      ],
    );
  });
});
