import assert from "node:assert/strict";
import { join } from "node:path";
import { loadTokenizer } from "../../../src/engine/model/open.ts";
import type { Tokenizer } from "../../../src/engine/model/tokenizer.ts";
import { fixtures, readJson, realModel } from "./fixtures.ts";

interface Sample {
  readonly text: string;
  readonly ids: readonly number[];
}

function decode(tokenizer: Tokenizer, ids: readonly number[]): string {
  return Buffer.concat(ids.map((id) => tokenizer.bytes(id))).toString("utf8");
}

function assertSame(tokenizer: Tokenizer, samples: readonly Sample[]): void {
  assert.ok(samples.length > 20);
  for (const { text, ids } of samples) assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
}

const realModels = [
  {
    file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    ids: "qwen2.5-coder.ids.json",
    vocabulary: 151936,
    normalized: (text: string) => text.normalize("NFC"),
    ends: [
      "<|endoftext|>",
      "<|im_end|>",
      "<|im_start|>",
      "<|fim_prefix|>",
      "<|fim_pad|>",
      "<|repo_name|>",
      "<|file_sep|>",
    ],
    chat: /<\|im_start\|>/,
  },
  {
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    ids: "smollm2.ids.json",
    vocabulary: 49152,
    normalized: (text: string) => text,
    ends: ["<|endoftext|>", "<|im_end|>", "<repo_name>", "<file_sep>", "<filename>", "<jupyter_code>"],
    chat: /SmolLM/,
  },
] as const;

for (const model of realModels) {
  describe(`tokenizer of ${model.file}`, () => {
    const corpus = readJson<string[]>("tokenizer", "corpus.json");
    let tokenizer: Tokenizer;

    before(function () {
      this.timeout(20_000);
      tokenizer = loadTokenizer(realModel(model.file));
    });

    it("gives the reference's ids for the whole corpus", () => {
      const expected = readJson<number[][]>("tokenizer", model.ids);
      assert.equal(expected.length, corpus.length);
      assertSame(
        tokenizer,
        corpus.map((text, i) => ({ text, ids: expected[i]! })),
      );
    });

    it("encodes text that stands behind other text like any other", () => {
      for (const text of corpus) assert.deepEqual(tokenizer.encodeContinued(text), tokenizer.encode(text));
    });

    it("gives the bytes of the text back", () => {
      for (const text of corpus) assert.equal(decode(tokenizer, tokenizer.encode(text)), model.normalized(text));
    });

    it("never encodes user text as special tokens", () => {
      for (const name of model.ends) {
        const special = tokenizer.id(name)!;
        assert.equal(tokenizer.token(special), name);
        assert.ok(tokenizer.isSpecial(special));
        assert.equal(tokenizer.bytes(special).length, 0);
        const ids = tokenizer.encode(`x = "${name}"`);
        assert.ok(ids.every((id) => !tokenizer.isSpecial(id) && !tokenizer.endTokens.has(id)));
        assert.equal(decode(tokenizer, ids), `x = "${name}"`);
      }
    });

    it("knows its ends, beginning and chat template", () => {
      for (const name of model.ends) assert.ok(tokenizer.endTokens.has(tokenizer.id(name)!), name);
      assert.ok([...tokenizer.endTokens].every((id) => tokenizer.isSpecial(id)));
      assert.equal(tokenizer.beginToken, undefined);
      assert.match(tokenizer.chatTemplate!, model.chat);
      assert.equal(tokenizer.vocabulary, model.vocabulary);
      assert.equal(tokenizer.id("no such entry"), undefined);
      // Ordinary text in Qwen's vocabulary, although other families begin texts with it.
      const html = tokenizer.id("<s>");
      assert.ok(html === undefined || (!tokenizer.isSpecial(html) && tokenizer.bytes(html).length === 3));
      assert.throws(() => tokenizer.token(model.vocabulary), RangeError);
    });

    it("encodes 8 kB in under 30 ms once warm", () => {
      const text = corpus.join("\n").repeat(3).slice(0, 8192);
      let fastest = Number.POSITIVE_INFINITY;
      for (let round = 0; round < 8; round++) {
        const start = performance.now();
        tokenizer.encode(text);
        fastest = Math.min(fastest, performance.now() - start);
      }
      assert.ok(fastest < 30, `${fastest} ms`);
    });
  });
}

describe("tokenizer of a model folder", () => {
  for (const name of ["tiny-llama", "tiny-qwen2"]) {
    it(`is the one of the GGUF file and of the reference (${name})`, () => {
      const { texts } = readJson<{ texts: Sample[] }>("models", `${name}.golden.json`);
      const [folder, gguf] = [name, `${name}.gguf`].map((file) => loadTokenizer(join(fixtures, "models", file)));
      for (const tokenizer of [folder!, gguf!]) assertSame(tokenizer, texts);
      assert.deepEqual(folder!.endTokens, gguf!.endTokens);
      assert.equal(folder!.beginToken, gguf!.beginToken);
      assert.equal(folder!.beginToken, name === "tiny-llama" ? folder!.id("<|begin_of_text|>") : undefined);
      assert.equal(folder!.chatTemplate, gguf!.chatTemplate);
      for (let id = 0; id < 288; id++) {
        assert.deepEqual(folder!.bytes(id), gguf!.bytes(id));
        assert.equal(folder!.token(id), gguf!.token(id));
      }
    });
  }
});

describe("SentencePiece tokenizers", () => {
  const sources = [
    ["sentencepiece.gguf", "sentencepiece.ids.json"],
    ["llama2-prepend", "llama2-prepend/ids.json"],
    ["llama2-metaspace", "llama2-metaspace/ids.json"],
  ] as const;

  for (const [source, ids] of sources) {
    it(`gives the reference's ids from ${source}`, () => {
      assertSame(loadTokenizer(join(fixtures, "tokenizer", source)), readJson<Sample[]>("tokenizer", ids));
    });
  }

  for (const [source] of sources) {
    it(`encodes text that stands behind other text without that space (${source})`, () => {
      const tokenizer = loadTokenizer(join(fixtures, "tokenizer", source));
      const samples = readJson<Sample[]>("tokenizer", "sentencepiece.continued.json");
      assert.ok(samples.length > 20);
      for (const { text, ids } of samples) {
        assert.deepEqual(tokenizer.encodeContinued(text), ids, JSON.stringify(text));
        assert.equal(decode(tokenizer, tokenizer.encodeContinued(text)), text);
      }
      assert.deepEqual(tokenizer.encodeContinued(""), []);
    });
  }

  it("gives the text back, with the space that the model wants before it", () => {
    const tokenizer = loadTokenizer(join(fixtures, "tokenizer", "sentencepiece.gguf"));
    for (const text of readJson<string[]>("tokenizer", "corpus.json").filter((sample) => sample !== "")) {
      assert.equal(decode(tokenizer, tokenizer.encode(text)), ` ${text}`);
    }
    assert.deepEqual(tokenizer.encode(""), []);
    assert.equal(tokenizer.beginToken, tokenizer.id("<s>"));
    assert.ok(tokenizer.endTokens.has(tokenizer.id("</s>")!));
    assert.deepEqual(tokenizer.bytes(tokenizer.id("<0xE2>")!), Uint8Array.of(0xe2));
  });
});
