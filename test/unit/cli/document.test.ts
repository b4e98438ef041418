import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { decodeDocument, offsetAt, readDocument, shownPath } from "../../../src/cli/document.ts";
import { languageOf } from "../../../src/cli/languageIds.ts";
import { JakiroError } from "../../../src/engine/errors.ts";
import { withFolder } from "../modelServer.ts";

const isFileError = (expected: RegExp) => (error: unknown) =>
  error instanceof JakiroError && error.kind === "file" && expected.test(error.message);

describe("offsetAt", () => {
  const text = "ab\ncd\r\n\r😀x";
  const inside: readonly (readonly [line: number, character: number, offset: number])[] = [
    [0, 0, 0],
    [0, 2, 2],
    [1, 0, 3],
    [1, 2, 5],
    [2, 0, 7],
    [3, 0, 8],
    [3, 2, 10],
    [3, 3, 11],
  ];
  for (const [line, character, offset] of inside) {
    it(`finds ${line}:${character}`, () => assert.equal(offsetAt(text, line, character, "a.py"), offset));
  }

  it("moves a position within a character to its beginning", () => assert.equal(offsetAt(text, 3, 1, "a.py"), 8));

  const outside: readonly (readonly [string, string, number, number, RegExp])[] = [
    ["beyond a line's end", text, 0, 3, /Character 3 is outside of line 0 of a\.py: its characters go from 0 to 2\./],
    ["beyond a line's end in UTF-16", text, 3, 4, /its characters go from 0 to 3/],
    ["in a line end of two characters", text, 1, 3, /its characters go from 0 to 2/],
    ["on an empty line", text, 2, 1, /it is empty, so only 0 is valid/],
    ["beyond the last line", text, 4, 0, /Line 4 is outside of a\.py: its lines go from 0 to 3\./],
    ["in an empty file", "", 1, 0, /it has only line 0/],
  ];
  for (const [name, document, line, character, message] of outside) {
    it(`refuses a position ${name}`, () =>
      assert.throws(() => offsetAt(document, line, character, "a.py"), isFileError(message)));
  }

  it("reaches the end of a long file at once", () => {
    const long = "x = 1\n".repeat(100_000);
    const start = performance.now();
    assert.equal(offsetAt(long, 100_000, 0, "a.py"), long.length);
    assert.ok(performance.now() - start < 1000);
  });
});

describe("decodeDocument", () => {
  it("keeps the byte order mark out of the text", () =>
    assert.equal(decodeDocument(Buffer.from("\uFEFFx"), "a.py"), "x"));

  const refused: readonly (readonly [string, readonly number[], RegExp])[] = [
    ["NUL bytes", [0x78, 0], /a\.py is a binary file/],
    ["UTF-16", [...Buffer.from("x = 1", "utf16le")], /binary file .*UTF-8/],
    ["Latin-1", [...Buffer.from("näive", "latin1")], /not valid UTF-8/],
    ["a character cut off at the end", [0x78, 0xe6, 0x97], /not valid UTF-8/],
  ];
  for (const [name, bytes, message] of refused) {
    it(`refuses ${name}`, () =>
      assert.throws(() => decodeDocument(Uint8Array.from(bytes), "a.py"), isFileError(message)));
  }
});

describe("readDocument", () => {
  const { signal } = new AbortController();

  it("reads files and standard input", () =>
    withFolder(async (folder) => {
      const file = join(folder, "a.py");
      await writeFile(file, "x = 1\r\n");
      assert.equal(await readDocument(file, signal), "x = 1\r\n");
      const input = Readable.from([Buffer.from("é").subarray(0, 1), Buffer.from("é!").subarray(1)]);
      assert.equal(await readDocument("-", signal, input), "é!");
    }));

  it("says why a file cannot be read", () =>
    withFolder(async (folder) => {
      await mkdir(join(folder, "d"));
      await assert.rejects(readDocument(join(folder, "none.py"), signal), isFileError(/none\.py .*does not exist/));
      await assert.rejects(readDocument(join(folder, "d"), signal), isFileError(/it is a directory/));
    }));

  it("stops waiting for standard input when interrupted", async () => {
    const interruption = new AbortController();
    const silent = new Readable({ read: () => undefined });
    const reading = readDocument("-", interruption.signal, silent);
    interruption.abort(new JakiroError("interrupted", "Interrupted."));
    await assert.rejects(reading, (error) => error instanceof JakiroError && error.kind === "interrupted");
  });
});

describe("names of files", () => {
  const languages: readonly (readonly [string, string | undefined])[] = [
    ["src/a.py", "python"],
    ["a.TSX", "typescriptreact"],
    ["a.mjs", "javascript"],
    ["a.h", "c"],
    ["Dockerfile", "dockerfile"],
    ["notes", undefined],
    ["-", undefined],
  ];
  for (const [file, language] of languages) {
    it(`take ${file} for ${language ?? "no language"}`, () => assert.equal(languageOf(file), language));
  }

  it("are shown relative to the working directory where they lie below it", () => {
    assert.equal(shownPath(join(process.cwd(), "src", "a.py")), "src/a.py");
    assert.equal(shownPath("./src/a.py"), "src/a.py");
    assert.equal(shownPath("../a.py"), "../a.py");
    assert.equal(shownPath("-"), undefined);
  });
});
