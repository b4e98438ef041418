import assert from "node:assert/strict";
import { CancellationToken } from "vscode-jsonrpc";
import type { EngineAccess } from "../../../src/extension/engine.ts";
import { type TraceLevel, tracedEngine } from "../../../src/extension/requestTrace.ts";
import type { RequestStatistics } from "../../../src/protocol/messages.ts";

const statistics = {
  promptTokens: 512,
  cachedTokens: 480,
  suffixTokens: 32,
  completionTokens: 23,
  tau: 2.125,
  firstTokenMs: 120.4,
  totalMs: 411.6,
} as RequestStatistics;

const asked = { prefix: "secret = 1\nx = ", suffix: "", snippets: [], languageId: "python", maxTokens: 8 } as const;

describe("jakiro.trace", () => {
  /** What the log gets of one answered, one cancelled and one generated request. */
  async function traced(level: TraceLevel) {
    const [lines, texts]: [string[], string[]] = [[], []];
    let isAnswered = true;
    const engine = {
      complete: async () => (isAnswered ? { texts: ["secret + 1"], ending: "line", notes: [], statistics } : undefined),
      generate: async () => ({ text: "made", cut: false, notes: [], statistics }),
    } as Partial<EngineAccess> as EngineAccess;
    const sink = { level, line: (line: string) => lines.push(line), text: (text: string) => texts.push(text) };
    const same = tracedEngine(engine, sink);
    const result = await same.complete({ ...asked, priority: "typed" }, CancellationToken.None);
    assert.deepEqual(result?.texts, ["secret + 1"]);
    isAnswered = false;
    assert.equal(await same.complete({ ...asked, priority: "prefetch" }, CancellationToken.None), undefined);
    await same.generate({ ...asked, instruction: "do", selection: "" }, CancellationToken.None);
    return { lines, texts };
  }

  it("says nothing where it is off", async () => {
    assert.deepEqual(await traced("off"), { lines: [], texts: [] });
  });

  it("tells times and counts, and no text", async () => {
    const { lines, texts } = await traced("requests");
    const figures =
      "512 prompt tokens, 480 of them cached, 32 after the cursor; 23 tokens, 2.13 per pass; first after 120 ms, all after 412 ms";
    assert.deepEqual(lines, [
      `complete typed python: ${figures}`,
      "complete prefetch python: cancelled",
      `generate: ${figures}`,
    ]);
    assert.deepEqual(texts, []);
  });

  it("tells the end of the prompt and what was suggested, apart from what diagnostics hold", async () => {
    const { lines, texts } = await traced("text");
    assert.equal(lines.length, 3);
    assert.ok(lines.every((line) => !line.includes("secret")));
    assert.deepEqual(texts.slice(0, 2), [
      'complete typed python: behind "secret = 1\\nx = "',
      'complete typed python: "secret + 1"',
    ]);
    assert.equal(texts.at(-1), 'generate: "made"');
  });
});
