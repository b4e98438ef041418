import assert from "node:assert/strict";
import { createProgress } from "../../src/cli/progress.ts";

/** A display on a stream that records, and a clock that stands still until it is set. */
function recorder(isTTY: boolean, columns = 100) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const display = createProgress({ isTTY, columns, write: (text) => written.push(text) }, () => clock.ms);
  const report = (ms: number, done: number, stage = "Downloading") => {
    clock.ms = ms;
    display.report({ stage, done: done * 1e6, total: 100e6, unit: "bytes" });
  };
  return { written, display, report };
}

describe("progress", () => {
  it("writes few plain lines where nobody watches", () => {
    const { written, report } = recorder(false);
    for (let ms = 0; ms <= 25_000; ms += 50) report(ms, ms / 250);
    assert.deepEqual(written, [
      "Downloading: 4.0 / 100.0 MB (4 %)\n",
      "Downloading: 44.0 / 100.0 MB (44 %), 4.0 MB/s, 14 s left\n",
      "Downloading: 84.0 / 100.0 MB (84 %), 4.0 MB/s, 4 s left\n",
      "Downloading: 100.0 / 100.0 MB (100 %), 4.0 MB/s\n",
    ]);
  });

  it("says nothing of what takes less than a second", () => {
    const { written, report } = recorder(false);
    for (const ms of [0, 500, 900]) report(ms, ms / 9);
    assert.deepEqual(written, []);
  });

  it("redraws a bar ten times a second where a person watches", () => {
    const { written, report } = recorder(true);
    for (let ms = 0; ms <= 2000; ms += 10) report(ms, ms / 20);
    assert.equal(written.length, 21);
    assert.ok(written.every((text) => text.startsWith("\r\x1b[2K[") && text.length <= 105));
    assert.match(written[10]!, /\[#{12}-{12}\] Downloading: 50\.0/);
    assert.match(written.at(-1)!, /#{24}\] .+\n$/);
  });

  it("fits a narrow terminal", () => {
    const { written, report } = recorder(true, 30);
    report(0, 50);
    assert.equal(written[0], "\r\x1b[2K[############------------] Do");
  });

  it("counts the rate from where a resumed download began", () => {
    const { written, report } = recorder(false);
    report(0, 90);
    report(2000, 92);
    assert.deepEqual(written, ["Downloading: 92.0 / 100.0 MB (92 %), 1.0 MB/s, 8 s left\n"]);
  });

  it("keeps lines clear of the bar", () => {
    const { written, report, display } = recorder(true);
    report(0, 1);
    display.line("note");
    display.line("another");
    assert.deepEqual(written.slice(1), ["\r\x1b[2K", "note\n", "another\n"]);
  });

  it("counts items as they are", () => {
    const { written, display } = recorder(true);
    display.report({ stage: "Layers", done: 3, total: 24, unit: "items" });
    assert.match(written[0]!, /Layers: 3 \/ 24 \(12 %\)$/);
  });
});
