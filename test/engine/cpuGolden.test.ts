import assert from "node:assert/strict";
import type { CpuSequence } from "../../src/engine/cpu/cpuTarget.ts";
import { assertClose, assertSameBits } from "../unit/cpu/numbers.ts";
import { readJson } from "../unit/model/fixtures.ts";
import { packTiny, randomTokens, tinyModels } from "./scratchTarget.ts";

/** Made with transformers; features and logits of the rows from `firstRow` on. */
interface Golden {
  readonly sequences: readonly {
    readonly tokens: readonly number[];
    readonly firstRow: number;
    readonly features: readonly (readonly number[])[];
    readonly logits: readonly (readonly number[])[];
  }[];
}

function chain(tokens: readonly number[]) {
  return { tokens, parents: tokens.map((_, i) => i - 1) };
}

/** Runs a text in chunks; returns the last chunk's result. */
async function prefill(sequence: CpuSequence, tokens: readonly number[], chunk: number) {
  for (let first = 0; ; first += chunk) {
    const part = tokens.slice(first, first + chunk);
    const result = await sequence.forward(chain(part), "logits");
    sequence.commit([...part.keys()]);
    if (first + chunk >= tokens.length) return result;
  }
}

describe("CpuTarget against transformers", () => {
  for (const model of tinyModels) {
    const golden = readJson<Golden>("models", `${model}.golden.json`);

    it(`gives ${model}'s features and logits in float32, from both file formats`, async () => {
      const texts: Float32Array[][] = [];
      for (const file of ["gguf", "safetensors"] as const) {
        const { target, release } = await packTiny(model, "float32", file);
        try {
          const results: Float32Array[] = [];
          for (const { tokens, firstRow, features, logits } of golden.sequences) {
            const { hidden, vocabulary } = target.checkpoint.config;
            const result = await target.sequence(512).forward(chain(tokens), "logits");
            const what = `${file}, ${tokens.length} tokens`;
            assertClose(result.features.subarray(firstRow * hidden), features.flat(), 1e-4, `features, ${what}`);
            assertClose(result.logits!.subarray(firstRow * vocabulary), logits.flat(), 1e-4, `logits, ${what}`);
            results.push(result.features, result.logits!);
          }
          texts.push(results);
        } finally {
          await release();
        }
      }
      const [gguf, safetensors] = texts;
      // GGUF carries rope factors in float32 that the other format computes.
      for (const [i, values] of gguf!.entries())
        assertClose(safetensors![i]!, values, 1e-4, "safetensors against GGUF");
    });

    it(`comes close to them in int8 (${model})`, async () => {
      const { target, release } = await packTiny(model, "int8");
      try {
        const { tokens, firstRow, logits } = golden.sequences.at(-1)!;
        const { vocabulary } = target.checkpoint.config;
        const result = await prefill(target.sequence(512), tokens, tokens.length);
        const actual = result.logits!.subarray(firstRow * vocabulary);
        const expected = logits.flat();
        const error = Math.hypot(...expected.map((value, i) => value - actual[i]!)) / Math.hypot(...expected);
        assert.ok(error < 0.1, `off by ${error} of the logits' size`);
      } finally {
        await release();
      }
    });

    it(`names the most probable tokens of the rows asked for (${model})`, async () => {
      const { target, release } = await packTiny(model, "int8");
      try {
        const { vocabulary } = target.checkpoint.config;
        const tokens = randomTokens(30, vocabulary, 3);
        const sequence = target.sequence(512);
        const { logits } = await sequence.forward(chain(tokens), "logits");
        const rows = [29, 3, 3, 11];
        const { argmax } = await sequence.forward(chain(tokens), "argmax", rows);
        const some = await sequence.forward(chain(tokens), "logits", rows);
        for (const [i, row] of rows.entries()) {
          const own = logits!.subarray(row * vocabulary, (row + 1) * vocabulary);
          assert.equal(argmax![i], own.indexOf(Math.max(...own)));
          assertSameBits(some.logits!.slice(i * vocabulary, (i + 1) * vocabulary), own.slice(), `row ${row}`);
        }
        const { features, logits: none } = await sequence.forward(chain(tokens), "none");
        assert.equal(none, undefined);
        assert.equal(features.length, tokens.length * target.checkpoint.config.hidden);
      } finally {
        await release();
      }
    });
  }
});
