import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runNode, scratchFolder } from "../engine/cliRun.ts";
import { softwareAdapter, useSoftwareAdapter } from "./testDevice.ts";

type Table = readonly (readonly string[])[];

/** The Markdown tables of a text, header first, without their rules. */
function tablesOf(text: string): Table[] {
  const tables: string[][][] = [];
  let isInside = false;
  for (const line of text.split("\n")) {
    const isRow = line.startsWith("| ");
    const cells = line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
    if (!isRow) isInside = false;
    else if (!isInside) {
      tables.push([cells]);
      isInside = true;
    } else if (!cells.every((cell) => /^-+:?$/.test(cell))) tables.at(-1)!.push(cells);
  }
  return tables;
}

/** A figure as the benches print it: a number, a share in per cent, or how many of how many, which is to be all. */
function isFigure(cell: string): boolean {
  const counted = /^(\d+)\/(\d+)$/.exec(cell);
  if (counted !== null) return counted[1] === counted[2] && counted[2] !== "0";
  return cell !== "" && Number.isFinite(Number(cell.replace(/ %$/, "")));
}

/** The benches of the GPU as a person calls them, on the software adapter: nobody may find them broken on a machine with a GPU. */
describe("the GPU's benches", function () {
  const timeout = 290_000;
  this.timeout(timeout + 10_000);
  useSoftwareAdapter();
  const scratch = scratchFolder();
  after(scratch.remove);
  const env = { JAKIRO_CACHE_DIR: join(scratch.path, "cache") };
  const rounds = ["on the device", "decoding", "its kernels", "as many empty dispatches"];
  const ofRounds = [
    "on the device / larger of both",
    "decoding / larger of both",
    "bandwidth bound",
    "bound / decoding",
  ];
  const parts = ["draft", "tree", "verify", "accept"].map((part) => `kernels: ${part}`);
  const kernels = ["kernel", "dispatches", "ms", "share"];
  const compared = ["plain tok/s", "jakiro tok/s", "jakiro / plain", "tau"];

  for (const [bench, options, headers] of [
    [
      "gpu_kernels",
      [],
      [
        ["one-row product", "MB", "us", "GB/s", "of copy"],
        ["verification, ms", "1 row", "4 rows", "60 rows"],
        ["attention of all layers", "ms", "GB/s", "GFLOP/s"],
        ["plain round, ms", ...rounds, ...ofRounds],
        ["round with a tree, ms", "whole", "as a multiple of 8 tokens", ...parts],
        // Weights of 4 bits and of 8.
        ...[kernels, kernels],
      ],
    ],
    [
      "gpu_batch",
      ["--suite", join("bench", "suites", "edits.jsonl"), "--batches", "1,2", "--limit", "2", "--max-tokens", "8"],
      [["batch", ...compared, "rows a text", "identical"]],
    ],
    [
      "gpu_methods",
      ["--acceptance", "0.9"],
      [["model", "acceptance", ...compared, "jakiro / (tau x plain)", "rows a round", "right texts"]],
    ],
  ] as const) {
    it(`${bench} --tiny prints every column that it promises, and writes what it has measured`, async () => {
      const json = join(scratch.path, `${bench}.json`);
      const common = ["--tiny", "--adapter", softwareAdapter, "--json", json];
      const { code, stdout, stderr } = await runNode([join("bench", `${bench}.mjs`), ...common, ...options], {
        env,
        timeout,
      });
      assert.equal(code, 0, stderr);
      const tables = tablesOf(stdout);
      assert.deepEqual(
        tables.map(([header]) => header),
        headers,
      );
      for (const [header, ...rows] of tables) {
        assert.ok(rows.length > 0, `nothing under ${header!.join(", ")}`);
        for (const row of rows) {
          assert.equal(row.length, header!.length, row.join(" | "));
          for (const [column, cell] of row.entries())
            if (column > 0) assert.ok(isFigure(cell), `${row[0]}: ${header![column]} is "${cell}"`);
        }
      }
      // What is no finite number is null in JSON.
      assert.doesNotMatch(readFileSync(json, "utf8"), /\bnull\b/);
      if (bench === "gpu_methods") {
        const [[, row]] = tables as [Table];
        assert.ok(Number(row![5]) > 1.5, `tau is ${row![5]} with a head that knows nine tokens of ten`);
      }
    });
  }
});
