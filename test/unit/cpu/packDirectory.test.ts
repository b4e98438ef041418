import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeOnce } from "../../../src/engine/cpu/packDirectory.ts";
import { JakiroError } from "../../../src/engine/errors.ts";

describe("writeOnce", () => {
  let root: string;
  let directory: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "jakiro-"));
    directory = join(root, "packed", "model");
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const content = () => readFileSync(join(directory, "file"), "utf8");
  const siblings = () => readdirSync(join(root, "packed"));

  it("shows nothing under the name until all is written", async () => {
    await writeOnce(directory, async (draft) => {
      writeFileSync(join(draft, "file"), "half");
      assert.equal(existsSync(directory), false);
      await sleep(5);
      writeFileSync(join(draft, "file"), "whole");
      assert.equal(existsSync(directory), false);
    });
    assert.equal(content(), "whole");
    assert.deepEqual(siblings(), ["model"]);
  });

  it("does not write again what is there", async () => {
    await writeOnce(directory, (draft) => writeFileSync(join(draft, "file"), "first"));
    await writeOnce(directory, () => assert.fail("written again"));
    assert.equal(content(), "first");
  });

  it("lets several write at once: all succeed, one copy stays", async () => {
    await Promise.all(
      [30, 10, 20].map((delay) =>
        writeOnce(directory, async (draft) => {
          writeFileSync(join(draft, "file"), String(delay));
          await sleep(delay);
        }),
      ),
    );
    assert.equal(content(), "10");
    assert.deepEqual(siblings(), ["model"]);
  });

  it("gives way to a copy that appears at the last moment", async () => {
    await writeOnce(directory, (draft) => {
      writeFileSync(join(draft, "file"), "mine");
      // What another process does meanwhile.
      mkdirSync(directory);
      writeFileSync(join(directory, "file"), "theirs");
    });
    assert.equal(content(), "theirs");
    assert.deepEqual(siblings(), ["model"]);
  });

  it("clears away what killed processes left of this folder, and only that", async () => {
    const abandoned = `${directory}.0123abcd.tmp`;
    const fresh = `${directory}.4567cdef.tmp`;
    const other = join(root, "packed", "other.0123abcd.tmp");
    for (const draft of [abandoned, fresh, other]) mkdirSync(draft, { recursive: true });
    writeFileSync(join(abandoned, "file"), "half");
    const longAgo = new Date(Date.now() - 7_200_000);
    for (const draft of [abandoned, other]) utimesSync(draft, longAgo, longAgo);
    await writeOnce(directory, (draft) => writeFileSync(join(draft, "file"), "whole"));
    assert.deepEqual(siblings(), ["model", "model.4567cdef.tmp", "other.0123abcd.tmp"]);
  });

  it("leaves nothing behind when the work fails", async () => {
    const failure = new Error("no");
    await assert.rejects(
      writeOnce(directory, (draft) => {
        writeFileSync(join(draft, "file"), "half");
        throw failure;
      }),
      failure,
    );
    assert.deepEqual(siblings(), []);
    await writeOnce(directory, (draft) => writeFileSync(join(draft, "file"), "later"));
    assert.equal(content(), "later");
  });

  it("says so when the disk is full, and leaves nothing behind", async () => {
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    await assert.rejects(
      writeOnce(directory, (draft) => {
        writeFileSync(join(draft, "file"), "half");
        throw full;
      }),
      (error) => {
        assert.ok(error instanceof JakiroError);
        assert.deepEqual([error.kind, error.exitCode, error.remedy], ["io", 6, "files"]);
        assert.match(error.message, /disk is full .+ free some space/);
        assert.ok(error.message.includes(join(root, "packed")));
        return true;
      },
    );
    assert.deepEqual(siblings(), []);
  });

  it("names the folder when it may not be written", async () => {
    writeFileSync(join(root, "packed"), "a file where a folder should be");
    await assert.rejects(
      writeOnce(directory, () => assert.fail("nothing to write into")),
      (error) => error instanceof JakiroError && error.kind === "io" && error.message.includes(join(root, "packed")),
    );
  });
});
