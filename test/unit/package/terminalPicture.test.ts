import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repository } from "./project.ts";

describe("the picture of a terminal", () => {
  const folder = mkdtempSync(join(tmpdir(), "jakiro-picture-"));
  after(() => rmSync(folder, { recursive: true }));

  function drawn(output: string): string {
    const out = join(folder, "out.svg");
    const argv = [join(repository, "scripts", "terminalPicture.mjs"), "npm run demo", out];
    assert.equal(spawnSync(process.execPath, argv, { input: output }).status, 0);
    return readFileSync(out, "utf8");
  }

  it("shows the command and every line, as text that is no markup", () => {
    const svg = drawn("model\n\nif (a < b && c > d) {\n\treturn;\n\ntau 1.90  40.0 tok/s  1.30x\n\n");
    const lines = [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, line]) => line);
    assert.deepEqual(lines, [
      "$ npm run demo",
      "model",
      "if (a &lt; b &amp;&amp; c &gt; d) {",
      "    return;",
      "tau 1.90  40.0 tok/s  1.30x",
    ]);
    assert.match(svg, /class="figures">tau 1\.90/);
    assert.match(svg, /^<svg [^>]*viewBox="0 0 \d+ \d+">/);
  });

  it("folds what is wider than the window", () => {
    const lines = [...drawn("x".repeat(250)).matchAll(/>(x+)</g)].map(([, line]) => line!.length);
    assert.deepEqual(lines, [110, 110, 30]);
  });

  it("says how to call it", () => {
    const script = join(repository, "scripts", "terminalPicture.mjs");
    const { status, stderr } = spawnSync(process.execPath, [script], { encoding: "utf8" });
    assert.equal(status, 2);
    assert.match(stderr, /^usage: COMMAND \| node/);
  });
});
