import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { devNull } from "node:os";
import { join } from "node:path";
import { exampleIn } from "../../../src/cli/demoExample.ts";
import { firstLineOf, withoutTrailingSpace } from "../../../src/cli/evaluate.ts";
import { checkResultFile, writeResultFile } from "../../../src/cli/resultFile.ts";
import { JakiroError } from "../../../src/engine/errors.ts";
import { featuresIn } from "../../../src/engine/machine.ts";
import { withFolder } from "../modelServer.ts";

const isIoError = (error: unknown) => error instanceof JakiroError && error.exitCode === 6;

describe("result files", () => {
  it("are written whole and replace older ones", () =>
    withFolder(async (folder) => {
      const path = join(folder, "r.json");
      await writeFile(path, "old");
      await checkResultFile(path);
      await writeResultFile(path, { a: [1] });
      assert.deepEqual(JSON.parse(await readFile(path, "utf8")), { a: [1] });
      assert.deepEqual(await readdir(folder), ["r.json"]);
    }));

  it("may be devices", () => writeResultFile(devNull, {}));

  it("are refused before the work where they cannot be written", () =>
    withFolder(async (folder) => {
      await mkdir(join(folder, "d"));
      await assert.rejects(checkResultFile(join(folder, "d")), isIoError);
      await assert.rejects(checkResultFile(join(folder, "none", "r.json")), isIoError);
      await assert.rejects(writeResultFile(join(folder, "none", "r.json"), {}), isIoError);
      assert.deepEqual(await readdir(folder), ["d"]);
    }));
});

describe("comparison of infillings", () => {
  const firstLines: readonly (readonly [string, string])[] = [
    ["", ""],
    ["    x = 1  \r\n    y", "    x = 1"],
    ["\nx", ""],
    ["  x", "  x"],
  ];
  for (const [text, expected] of firstLines) {
    it(`takes ${JSON.stringify(expected)} for the first line of ${JSON.stringify(text)}`, () =>
      assert.equal(firstLineOf(text), expected));
  }

  it("ignores white space at the ends of lines and of the text, and nothing else", () => {
    assert.equal(withoutTrailingSpace("a  \n\n  b\t\n \n"), "a\n\n  b");
    assert.notEqual(withoutTrailingSpace(" a"), withoutTrailingSpace("a"));
  });
});

describe("processor features", () => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    [
      "x86",
      "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_vnni\n\nprocessor\t: 1\n",
      ["AVX2", "AVX512", "AVX512-VNNI"],
    ],
    ["ARM", "processor\t: 0\nFeatures\t: fp asimd asimddp\n", ["NEON", "DOTPROD"]],
    ["a system that names none", "processor\t: 0\n", []],
  ];
  for (const [name, text, expected] of cases) {
    it(`are read on ${name}`, () => assert.deepEqual(featuresIn(text), expected));
  }
});

describe("examples of the demo", () => {
  for (const file of ["inventory.py", "geometry.ts", "schedule.js"]) {
    it(`mark a cursor in ${file}, which is no part of the text`, async () => {
      const text = await readFile(join("examples", file), "utf8");
      const { prefix, suffix, line, character, languageId } = exampleIn(file, text);
      assert.ok(!/cursor/.test(prefix + suffix));
      assert.equal(prefix.split("\n").at(-1), " ".repeat(character));
      assert.match(text.split("\n")[line]!, /<cursor>/);
      assert.ok(suffix.startsWith("\n") && languageId !== undefined);
    });
  }

  it("are refused without a mark", () => assert.throws(() => exampleIn("a.py", "x = 1\n"), /no cursor mark/));
});
