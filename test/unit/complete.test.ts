import assert from "node:assert/strict";
import { type CompletionRequest, completeDocument, promptRoom } from "../../src/engine/complete.ts";
import { chooseTemplate } from "../../src/engine/completion/fimTemplates.ts";
import type { DecodeRequest, DecodeResult, FinishReason } from "../../src/engine/decoding/decoder.ts";
import { greedy } from "../../src/engine/decoding/sampling.ts";
import { DecodingStatistics } from "../../src/engine/decoding/statistics.ts";
import { ToyTokenizer, vocabularies } from "./completion/toyTokenizer.ts";

/** A session that says what it is told to, a few tokens at a time, and remembers what it was asked. */
class ScriptedSession {
  readonly capacity = 256;
  asked: DecodeRequest | undefined;

  constructor(
    private readonly script: readonly number[],
    private readonly step: number,
    private readonly reason: FinishReason,
  ) {}

  async decode(request: DecodeRequest): Promise<DecodeResult> {
    this.asked = request;
    const tokens: number[] = [];
    let finishReason = this.reason;
    for (let at = 0; at < this.script.length; at += this.step) {
      const fresh = this.script.slice(at, at + this.step);
      const stop = request.onTokens?.(fresh);
      tokens.push(...fresh.slice(0, stop));
      if (stop === undefined) continue;
      finishReason = "stop";
      break;
    }
    return { tokens, finishReason, cachedTokens: 0, statistics: new DecodingStatistics() };
  }
}

async function complete(
  generated: string,
  request: Partial<CompletionRequest>,
  {
    step = 3,
    reason = "end" as FinishReason,
    special = vocabularies.qwen as readonly string[],
    suffixTokens = 64,
  } = {},
) {
  const tokenizer = new ToyTokenizer(special);
  const session = new ScriptedSession(tokenizer.encode(generated), step, reason);
  const engine = { tokenizer, template: chooseTemplate(tokenizer), suffixTokens };
  const result = await completeDocument(engine, session, {
    prefix: "",
    suffix: "",
    maxTokens: 32,
    sampling: greedy,
    ...request,
  });
  const { asked } = session;
  const known = asked?.known?.().map((tokens) => tokenizer.show(Array.from(tokens))) ?? [];
  return { result, asked, known, shown: asked && tokenizer.show(asked.prompt) };
}

const prefix = "total = 0\nfor price in prices:\n    ";
const suffix = "\nprint(total)\n";
const rambling = "total += price\n\nprint(total)\nprint(price)\n";

describe("completeDocument", () => {
  it("lets drafts be taken from what the prompt has no room for", async () => {
    const above = "first = 1\r\n".repeat(60);
    const { shown, known } = await complete(rambling, { prefix: above + prefix, suffix });
    assert.match(known[0]!, /^first = 1\nfirst = 1\n/);
    assert.ok(shown!.includes("total = 0") && !known[0]!.includes("total = 0"));
  });

  it("asks for as much of what follows as the engine says that it can read in time", async () => {
    const below = "\nprint(total)".repeat(40);
    for (const suffixTokens of [16, 64]) {
      const { result } = await complete(rambling, { prefix, suffix: below }, { suffixTokens });
      assert.ok(result.suffixTokens > suffixTokens / 2 && result.suffixTokens <= suffixTokens);
    }
    const { result } = await complete(rambling, { prefix, suffix: below, suffixTokens: 32 });
    assert.ok(result.suffixTokens <= 32, "unless the request says how much");
  });

  it("asks between prefix and suffix, and stops where the text repeats what follows", async () => {
    const { result, shown } = await complete(rambling, { prefix, suffix });
    assert.equal(shown, `<|fim_prefix|>${prefix}<|fim_suffix|>${suffix}<|fim_middle|>`);
    assert.deepEqual([result.text, result.finishReason, result.notes], ["total += price", "stop", []]);
    assert.equal(result.rule, "blockEnd");
  });

  it("has the same text and tokens however many tokens a round accepts", async () => {
    const { result: single } = await complete(rambling, { prefix, suffix }, { step: 1 });
    for (const step of [2, 5, 100]) {
      const { result } = await complete(rambling, { prefix, suffix }, { step });
      assert.deepEqual([result.text, result.tokens], [single.text, single.tokens]);
    }
  });

  it("leaves raw text as it is", async () => {
    const { result } = await complete(rambling, { prefix, suffix, raw: true });
    assert.deepEqual([result.text, result.finishReason], [rambling, "end"]);
  });

  it("streams the whole text so far", async () => {
    const texts: string[] = [];
    await complete("a + b + c", { prefix: "x = ", onText: (text) => texts.push(text) }, { step: 2 });
    assert.equal(texts.at(-1), "a + b + c");
    assert.ok(texts.length > 2);
    for (const [i, text] of texts.entries()) assert.ok(i === 0 || text.startsWith(texts[i - 1]!));
  });

  it("answers in the document's line ends", async () => {
    const crlf = { prefix: prefix.replaceAll("\n", "\r\n"), suffix: suffix.replaceAll("\n", "\r\n") };
    const { result, shown } = await complete("total += price\n    count += 1", { ...crlf, raw: true });
    assert.equal(result.text, "total += price\r\n    count += 1");
    assert.ok(!shown!.includes("\r"));
  });

  it("says that a model without infilling tokens reads the prefix alone", async () => {
    const { result, shown } = await complete("total += price", { prefix, suffix }, { special: vocabularies.smollm2 });
    assert.equal(shown, prefix);
    assert.deepEqual(result.notes, ["noInfilling"]);
  });

  it("has nothing to say where such a model has no prefix", async () => {
    const { result, asked } = await complete("never", { suffix }, { special: vocabularies.smollm2 });
    assert.equal(asked, undefined);
    assert.deepEqual([result.text, result.tokens, result.promptTokens], ["", [], 0]);
    assert.deepEqual(result.notes, ["nothingBefore"]);
  });

  it("packs a document that is longer than the context, and says so", async () => {
    const long = "value = compute(value)\n".repeat(5000);
    const { result, asked } = await complete("x", { prefix: long, suffix: long });
    assert.ok(asked!.prompt.length <= promptRoom(256, 32));
    assert.deepEqual(result.notes, ["cutAround"]);
    assert.equal(result.promptTokens, asked!.prompt.length);
  });
});

describe("promptRoom", () => {
  const cases: readonly (readonly [capacity: number, maxTokens: number, room: number])[] = [
    [4096, 64, 2048],
    [1024, 64, 960],
    [1024, 512, 512],
    [1024, 5000, 512],
  ];
  for (const [capacity, maxTokens, room] of cases) {
    it(`gives a prompt ${room} of ${capacity} tokens beside ${maxTokens}`, () =>
      assert.equal(promptRoom(capacity, maxTokens), room));
  }
});
