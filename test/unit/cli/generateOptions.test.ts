import assert from "node:assert/strict";
import { parseGenerate } from "../../../src/cli/arguments.ts";
import { JakiroError } from "../../../src/engine/errors.ts";

const asked = ["a.py", "--instruction", "add types"];
const range = (from: string, to: string) => ["--from", from, "--to", to];

describe("parseGenerate", () => {
  it("takes the end of the file where no place is given", () => {
    const options = parseGenerate(asked);
    assert.equal(options.file, "a.py");
    assert.equal(options.instruction, "add types");
    assert.equal(options.range, undefined);
    assert.deepEqual([options.maxTokens, options.method, options.json], [256, "auto", false]);
  });

  it("takes a cursor for an empty range", () => {
    const place = { line: 3, character: 4 };
    assert.deepEqual(parseGenerate([...asked, "--line", "3", "--character", "4"]).range, { from: place, to: place });
  });

  it("takes a range", () =>
    assert.deepEqual(parseGenerate([...asked, ...range("1:2", "3:0")]).range, {
      from: { line: 1, character: 2 },
      to: { line: 3, character: 0 },
    }));

  it("takes complete's decoding options", () => {
    const options = parseGenerate([
      ...asked,
      "--method",
      "lookup",
      "--temperature",
      "0.5",
      "--seed",
      "3",
      "--nodes",
      "8",
    ]);
    assert.deepEqual([options.method, options.temperature, options.seed, options.nodes], ["lookup", 0.5, 3, 8]);
  });

  const refused: readonly (readonly [string, readonly string[], RegExp])[] = [
    ["no instruction", ["a.py"], /--instruction TEXT is missing/],
    ["a blank instruction", ["a.py", "--instruction", "  "], /--instruction expects words/],
    ["no file", ["--instruction", "x"], /expects a file/],
    ["a line alone", [...asked, "--line", "3"], /--line and --character go together/],
    ["a character alone", [...asked, "--character", "3"], /--line and --character go together/],
    ["a beginning alone", [...asked, "--from", "1:2"], /--from and --to go together/],
    ["a cursor and a range", [...asked, "--line", "1", "--character", "0", ...range("0:0", "1:0")], /either a cursor/],
    ["a range that ends before it begins", [...asked, ...range("2:0", "1:9")], /--from lies behind --to/],
    ["the same on one line", [...asked, ...range("2:5", "2:4")], /--from lies behind --to/],
    ["a place that is none", [...asked, ...range("two", "3:0")], /--from two: expects a line and a character/],
    ["a negative place", [...asked, "--from=-1:0", "--to", "3:0"], /expects a line and a character/],
    ["raw text", [...asked, "--raw"], /no option --raw/],
  ];
  for (const [name, argv, message] of refused) {
    it(`refuses ${name}`, () =>
      assert.throws(
        () => parseGenerate(argv),
        (error) => error instanceof JakiroError && error.exitCode === 2 && message.test(error.message),
      ));
  }
});
