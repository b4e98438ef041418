import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { rotateLog } from "../../../src/engine/logFile.ts";
import { EngineLogFile } from "../../../src/extension/engineLog.ts";

describe("engine log", () => {
  let folder: string;
  let log: EngineLogFile;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "jk-"));
    log = new EngineLogFile(join(folder, "storage"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = async (text: string, limitBytes?: number) => {
    const file = await log.open(limitBytes);
    await file.write(text);
    return file;
  };

  it("appends below its limit and keeps one older file above it", async () => {
    for (const text of ["one ", "two ", "three ", "four "]) await (await write(text, 8)).close();
    assert.equal(readFileSync(log.olderPath, "utf8"), "one two ");
    assert.equal(readFileSync(log.path, "utf8"), "three four ");
    await (await write("five", 8)).close();
    assert.equal(readFileSync(log.olderPath, "utf8"), "three four ");
    assert.equal(readFileSync(log.path, "utf8"), "five");
  });

  it("is emptied where its older file cannot be written", async () => {
    await (await write("too long")).close();
    mkdirSync(log.olderPath);
    rotateLog(log.path, 1);
    assert.equal(await log.size(), 0);
  });

  it("is read on by windows while a process that was started before writes on", async () => {
    const running = await write("before");
    rotateLog(log.path, 1);
    await running.write("after");
    await running.close();
    assert.equal(readFileSync(log.path, "utf8"), "after");
  });

  it("tells the last lines since a place, without stacks and blank lines", async () => {
    await (await write("Error: an earlier one\n")).close();
    const offset = await log.size();
    const crash =
      "loading\n/a/engine.js:10\n    throw new Error()\n    ^\n\nError: no such device\n    at f (a.js:1:1)\n\nNode.js v20.1.0\n";
    await (await write(crash)).close();
    assert.equal(await log.lastWords(offset), "/a/engine.js:10 / throw new Error() / Error: no such device");
    assert.equal(await log.lastWords(await log.size()), "");
  });

  it("tells apart what the engine wrote on purpose and what a crash left behind", async () => {
    await (await write("2026-01-02T03:04:05.678Z Listening.\n2026-01-02T03:04:06.000Z The socket failed.\n")).close();
    assert.equal(await log.lastWords(0), "The socket failed");
    await (await write("terminate called\n  what(): bad_alloc\n")).close();
    assert.equal(await log.lastWords(0), "terminate called / what(): bad_alloc");
  });

  it("tells the last lines after the file was emptied, and none where there is no file", async () => {
    assert.equal(await log.lastWords(0), "");
    await (await write("x".repeat(100))).close();
    rotateLog(log.path, 1);
    await (await write("new words\n")).close();
    assert.equal(await log.lastWords(100), "new words");
  });

  it("names nothing below the home folder", async () => {
    await (await write(`Cannot open '${homedir()}/secret/project/a.gguf': no (${homedir()})\n`)).close();
    assert.equal(await log.lastWords(0), "Cannot open '~/…': no (~/…)");
    await (await write(`Reading ${homedir()}/secret\nand failed\n`)).close();
    assert.match(await log.lastWords(0), /Reading ~\/… \/ and failed$/);
  });
});
