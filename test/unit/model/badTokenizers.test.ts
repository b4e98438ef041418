import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadTokenizer } from "../../../src/engine/model/open.ts";
import { assertRefused, fixtures } from "./fixtures.ts";
import { type Entry, flag, ggufBytes, i32s, text, texts, u32 } from "./ggufBytes.ts";
import { f32Tensor } from "./smallModel.ts";

const source = join(fixtures, "models", "tiny-qwen2");

interface TokenizerJson {
  model: Record<string, unknown>;
  added_tokens: unknown[];
  normalizer: unknown;
  pre_tokenizer: unknown;
}

const vocabulary = ["a", "b", "ab", "<end>", "<|fim_prefix|>", "\t", "\t\t", "Ġ"];

const metadata: Readonly<Record<string, Entry>> = {
  "tokenizer.ggml.model": text("gpt2"),
  "tokenizer.ggml.pre": text("gpt-2"),
  "tokenizer.ggml.tokens": texts(vocabulary),
  // 3 control, 4 user-defined; the FIM mark is one by its name alone.
  "tokenizer.ggml.token_type": i32s([1, 1, 1, 3, 1, 4, 4, 1]),
  "tokenizer.ggml.merges": texts(["a b"]),
  "tokenizer.ggml.bos_token_id": u32(3),
  "tokenizer.ggml.eos_token_id": u32(3),
};

describe("tokenizer metadata of a GGUF file", () => {
  let folder: string;
  let path: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "jakiro-"));
    path = join(folder, "model.gguf");
  });

  after(() => rmSync(folder, { recursive: true }));

  const write = (changes: Record<string, Entry | undefined>, rows?: number): void => {
    const entries = Object.entries({ ...metadata, ...changes }).filter(([, entry]) => entry !== undefined);
    const tensors = rows === undefined ? [] : [f32Tensor("token_embd.weight", [2, rows], new Float32Array(2 * rows))];
    writeFileSync(path, ggufBytes({ metadata: Object.fromEntries(entries) as Record<string, Entry>, tensors }));
  };

  it("decides what each entry is for", () => {
    write({}, vocabulary.length);
    const tokenizer = loadTokenizer(path);
    assert.deepEqual(tokenizer.encode("aab\t\t\tb"), [0, 2, 6, 5, 1]);
    assert.deepEqual(
      [3, 4].map((id) => tokenizer.isSpecial(id)),
      [true, true],
    );
    assert.deepEqual(tokenizer.endTokens, new Set([3, 4]));
    assert.equal(Buffer.from(tokenizer.bytes(6)).toString(), "\t\t");
    assert.equal(Buffer.from(tokenizer.bytes(7)).toString(), " ");
  });

  it("begins prompts where the file or the family says so", () => {
    const begins: readonly (readonly [Record<string, Entry>, number | undefined])[] = [
      [{}, undefined],
      [{ "tokenizer.ggml.add_bos_token": flag(true) }, 3],
      [{ "tokenizer.ggml.pre": text("llama-bpe") }, 3],
      [{ "tokenizer.ggml.pre": text("llama-bpe"), "tokenizer.ggml.add_bos_token": flag(false) }, undefined],
    ];
    for (const [changes, beginToken] of begins) {
      write(changes);
      assert.equal(loadTokenizer(path).beginToken, beginToken);
    }
  });

  const cases: readonly (readonly [what: string, changes: Record<string, Entry | undefined>, message: RegExp])[] = [
    ["another kind of tokenizer", { "tokenizer.ggml.model": text("bert") }, /kind "bert".*"gpt2" and "llama"/],
    [
      "no tokenizer",
      { "tokenizer.ggml.model": undefined, "tokenizer.ggml.tokens": undefined },
      /"tokenizer\.ggml\.tokens"/,
    ],
    ["an unknown pre-tokenizer", { "tokenizer.ggml.pre": text("viking") }, /pre-tokenizer "viking".*qwen2/],
    ["an unnamed pre-tokenizer", { "tokenizer.ggml.pre": undefined }, /does not name its pre-tokenizer/],
    ["no merges", { "tokenizer.ggml.merges": undefined }, /"tokenizer\.ggml\.merges"/],
    ["merges that are numbers", { "tokenizer.ggml.merges": i32s([1]) }, /"tokenizer\.ggml\.merges"/],
    ["types that are words", { "tokenizer.ggml.token_type": texts(["x"]) }, /"tokenizer\.ggml\.token_type"/],
    ["SentencePiece without scores", { "tokenizer.ggml.model": text("llama") }, /"tokenizer\.ggml\.scores"/],
  ];
  for (const [what, changes, message] of cases) {
    it(`refuses ${what}`, () => {
      write(changes);
      assertRefused(() => loadTokenizer(path), path, message);
    });
  }

  it("refuses a vocabulary that the embedding does not have", () => {
    write({}, 9);
    assertRefused(() => loadTokenizer(path), path, /8 vocabulary entries but embeddings for 9/);
  });
});

describe("tokenizer.json", () => {
  let parent: string;
  let folder: string;

  before(() => {
    parent = mkdtempSync(join(tmpdir(), "jakiro-"));
    folder = join(parent, "model");
  });

  beforeEach(() => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    cpSync(source, folder, { recursive: true });
  });

  after(() => rmSync(parent, { recursive: true }));

  const rewrite = (change: (json: TokenizerJson) => void): void => {
    const path = join(folder, "tokenizer.json");
    const json = JSON.parse(readFileSync(path, "utf8")) as TokenizerJson;
    change(json);
    writeFileSync(path, JSON.stringify(json));
  };

  it("may be shorter than the embedding", () => {
    const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as object;
    writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, vocab_size: 300 }));
    const tokenizer = loadTokenizer(folder);
    assert.equal(tokenizer.vocabulary, 300);
    assert.ok(tokenizer.isSpecial(299));
    assert.equal(tokenizer.bytes(299).length, 0);
  });

  it("may leave ByteLevel and Digits to their own expressions", () => {
    const digits = (individual: boolean): readonly number[] => {
      rewrite((json) => {
        json.pre_tokenizer = {
          type: "Sequence",
          pretokenizers: [
            { type: "Digits", individual_digits: individual },
            { type: "ByteLevel", add_prefix_space: false },
          ],
        };
        (json.model as { merges: unknown; vocab: Record<string, number> }).merges = ["1 2"];
        (json.model as { vocab: Record<string, number> }).vocab["12"] = 288;
      });
      return loadTokenizer(folder).encode("x12");
    };
    assert.equal(digits(true).length, 3);
    assert.equal(digits(false).length, 2);
  });

  it("takes the end tokens from every file that names some", () => {
    writeFileSync(join(folder, "generation_config.json"), JSON.stringify({ eos_token_id: [100, 5000, "x"] }));
    const { endTokens } = loadTokenizer(folder);
    assert.ok(endTokens.has(100) && !endTokens.has(5000));
  });

  it("reads chat templates wherever they are kept", () => {
    const options = join(folder, "tokenizer_config.json");
    writeFileSync(
      options,
      JSON.stringify({
        chat_template: [
          { name: "tools", template: "t" },
          { name: "default", template: "d" },
        ],
      }),
    );
    assert.equal(loadTokenizer(folder).chatTemplate, "d");
    writeFileSync(options, "{}");
    assert.equal(loadTokenizer(folder).chatTemplate, undefined);
    writeFileSync(join(folder, "chat_template.jinja"), "j");
    assert.equal(loadTokenizer(folder).chatTemplate, "j");
  });

  const cases: readonly (readonly [what: string, change: (json: TokenizerJson) => void, message: RegExp])[] = [
    ["another model than BPE", (json) => Object.assign(json.model, { type: "Unigram" }), /no byte-pair encoding/],
    ["no vocabulary", (json) => delete json.model["vocab"], /no byte-pair encoding/],
    [
      "merges of three",
      (json) => Object.assign(json.model, { merges: [["a", "b", "c"]] }),
      /merges that are not pairs/,
    ],
    ["an id that is no number", (json) => Object.assign(json.model, { vocab: { a: "1" } }), /entry "a" the id 1/],
    ["an absurd id", (json) => Object.assign(json.model, { vocab: { a: 2 ** 40 } }), /entry "a" the id 1099511627776/],
    [
      "an absurd added token",
      (json) => json.added_tokens.push({ id: -1, content: "x" }),
      /added token that is not understood/,
    ],
    ["an added token that is null", (json) => json.added_tokens.push(null), /added token that is not understood/],
    [
      "an added token that eats space",
      (json) => json.added_tokens.push({ id: 1, content: "x", lstrip: true }),
      /"x" with white-space rules/,
    ],
    [
      "an unknown normalizer",
      (json) => Object.assign(json, { normalizer: { type: "Lowercase" } }),
      /normalizer "Lowercase"/,
    ],
    [
      "an unknown pre-tokenizer",
      (json) =>
        Object.assign(json, {
          pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "ByteLevel" }, { type: "Whitespace" }] },
        }),
      /"Whitespace"/,
    ],
    [
      "a prefix space",
      (json) => Object.assign(json, { pre_tokenizer: { type: "ByteLevel", add_prefix_space: true } }),
      /prefix space/,
    ],
    [
      "a split that merges its matches",
      (json) =>
        Object.assign(json, {
          pre_tokenizer: {
            type: "Sequence",
            pretokenizers: [
              { type: "Split", behavior: "MergedWithNext", pattern: { String: " " } },
              { type: "ByteLevel" },
            ],
          },
        }),
      /"MergedWithNext"/,
    ],
    [
      "words of characters",
      (json) => Object.assign(json, { pre_tokenizer: null }),
      /neither byte-level words nor byte fallback/,
    ],
  ];
  for (const [what, change, message] of cases) {
    it(`refuses ${what}`, () => {
      rewrite(change);
      assertRefused(() => loadTokenizer(folder), folder, message);
    });
  }

  it("refuses a folder without one", () => {
    rmSync(join(folder, "tokenizer.json"));
    assertRefused(() => loadTokenizer(folder), folder, /no tokenizer\.json/);
  });
});
