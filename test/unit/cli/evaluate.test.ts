import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { infillingAccuracy, readProblems } from "../../../src/cli/evaluate.ts";
import type { DecodeRequest } from "../../../src/engine/decoding/decoder.ts";
import type { DecodingSession } from "../../../src/engine/decodingSession.ts";
import type { Engine } from "../../../src/engine/engine.ts";
import { ToyTokenizer } from "../completion/toyTokenizer.ts";
import { withFolder } from "../modelServer.ts";

/** Lines that look like a language of braces, above a function of Python. */
const prompt = "rows = {\n}\ncells = {\n}\n\ndef load(path):\n    try:\n";
const solution = "        read(path)\n    except OSError:\n        close(path)\n";
/** What the model writes: the solution, and more that is none of it. */
const written = `${solution}print(load(3))\n`;

/** Share of records whose inserted text is the solution, with this language in the suite. */
async function allLinesExact(language: object): Promise<number> {
  const tokenizer = new ToyTokenizer();
  const session = {
    capacity: 500,
    reset: () => undefined,
    async decode({ onTokens }: DecodeRequest) {
      for (const token of tokenizer.encode(written)) if (onTokens?.([token]) !== undefined) break;
      return { finishReason: "length" };
    },
  } as unknown as DecodingSession;
  const engine = { tokenizer, template: undefined } as unknown as Engine;
  let share = Number.NaN;
  await withFolder(async (folder) => {
    const suite = join(folder, "suite.jsonl");
    await writeFile(suite, JSON.stringify({ prompt, canonical_solution: solution, ...language }));
    const options = { maxTokens: 40, order: "psm" } as const;
    share = (await infillingAccuracy(engine, session, await readProblems(suite), options)).allLinesExactMatch;
  });
  return share;
}

describe("infillingAccuracy", () => {
  it("ends completions by the rules of the record's language, Python where it names none", async () => {
    assert.equal(await allLinesExact({}), 1);
    assert.equal(await allLinesExact({ language: "python" }), 1);
    assert.equal(await allLinesExact({ language: "javascript" }), 0);
  });
});
