import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { contentHashOfFiles } from "../../../src/engine/model/contentHash.ts";
import { openCheckpoint } from "../../../src/engine/model/open.ts";
import type { Progress } from "../../../src/engine/progress.ts";
import { fixtures } from "./fixtures.ts";

const sha256 = (content: string | Buffer): string => createHash("sha256").update(content).digest("hex");

describe("content hash", () => {
  let folder: string;
  let memory: string;
  let file: string;
  const previous = process.env["JAKIRO_CACHE_DIR"];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "jakiro-"));
    process.env["JAKIRO_CACHE_DIR"] = join(folder, "cache");
    memory = join(folder, "cache", "hashes.json");
    file = join(folder, "weights");
    writeFileSync(file, "content");
  });

  afterEach(() => {
    if (previous === undefined) delete process.env["JAKIRO_CACHE_DIR"];
    else process.env["JAKIRO_CACHE_DIR"] = previous;
    rmSync(folder, { recursive: true });
  });

  it("is the SHA-256 of one file, and of the hashes of several", async () => {
    const other = join(folder, "other");
    writeFileSync(other, "more");
    assert.equal(await contentHashOfFiles([file]), sha256("content"));
    assert.equal(await contentHashOfFiles([file, other]), sha256(`${sha256("content")}\n${sha256("more")}`));
  });

  it("is remembered until the file changes", async () => {
    await contentHashOfFiles([file]);
    const known = Object.keys(JSON.parse(readFileSync(memory, "utf8")) as object);
    assert.equal(known.length, 1);
    const planted = "0".repeat(64);
    writeFileSync(memory, JSON.stringify({ [known[0]!]: planted }));
    assert.equal(await contentHashOfFiles([file]), planted);

    const { atime, mtimeMs } = statSync(file);
    utimesSync(file, atime, new Date(mtimeMs + 5000));
    assert.equal(await contentHashOfFiles([file]), sha256("content"));
    assert.equal(Object.keys(JSON.parse(readFileSync(memory, "utf8")) as object).length, 2);
  });

  it("survives a memory that is damaged or cannot be written", async () => {
    await contentHashOfFiles([file]);
    for (const content of ["{", "[]", "null", '{"x": 5}']) {
      writeFileSync(memory, content);
      assert.equal(await contentHashOfFiles([file]), sha256("content"));
    }
    process.env["JAKIRO_CACHE_DIR"] = join(file, "below-a-file");
    assert.equal(await contentHashOfFiles([file]), sha256("content"));
  });

  it("tells how far it is, and ends with the signal's reason before the file does", async () => {
    writeFileSync(file, Buffer.alloc(5 << 20));
    const abort = new AbortController();
    const read: number[] = [];
    const onProgress = ({ done, total, unit }: Progress) => {
      assert.deepEqual([total, unit], [5 << 20, "bytes"]);
      if (read.push(done) === 2) abort.abort(new Error("enough"));
    };
    await assert.rejects(contentHashOfFiles([file], { signal: abort.signal, onProgress }), /^Error: enough$/);
    assert.ok(read.length < 5 && read[0]! < read[1]!, String(read));
    assert.ok(!existsSync(memory), "half a hash is not remembered");

    await contentHashOfFiles([file]);
    await contentHashOfFiles([file], { onProgress: () => assert.fail("it was remembered") });
  });

  it("identifies a model by its weights", async () => {
    const gguf = openCheckpoint(join(fixtures, "models", "tiny-llama.gguf"));
    assert.equal(await gguf.contentHash(), sha256(readFileSync(gguf.path)));
    gguf.close();
  });
});
