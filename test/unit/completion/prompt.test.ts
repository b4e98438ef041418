import assert from "node:assert/strict";
import { chooseTemplate, type FimOrder } from "../../../src/engine/completion/fimTemplates.ts";
import { type PromptRequest, packPrompt } from "../../../src/engine/completion/prompt.ts";
import { JakiroError } from "../../../src/engine/errors.ts";
import { ToyTokenizer, vocabularies } from "./toyTokenizer.ts";

function request(tokenizer: ToyTokenizer, change: Partial<PromptRequest>): PromptRequest {
  return {
    prefix: "a = ",
    suffix: "\nb",
    snippets: [],
    path: "src/main.py",
    languageId: "python",
    tokenizer,
    template: chooseTemplate(tokenizer),
    budget: { total: 400, suffix: 40, snippets: 100 },
    order: "psm",
    ...change,
  };
}

function shown(model: keyof typeof vocabularies, change: Partial<PromptRequest>): string {
  const tokenizer = new ToyTokenizer(vocabularies[model]);
  return tokenizer.show(packPrompt(request(tokenizer, change)).tokens);
}

/** Puts a mark before the first word of a text, as SentencePiece does. */
class SpacingTokenizer extends ToyTokenizer {
  override encode(text: string): number[] {
    return text === "" ? [] : super.encode(`▁${text}`);
  }

  override encodeContinued(text: string): number[] {
    return super.encode(text);
  }
}

const other = { path: "lib.py", text: "x = 1\n" };

describe("packPrompt", () => {
  const layouts: readonly (readonly [keyof typeof vocabularies, FimOrder, withSnippet: boolean, string])[] = [
    ["qwen", "psm", false, "<|fim_prefix|>a = <|fim_suffix|>\nb<|fim_middle|>"],
    ["qwen", "spm", false, "<|fim_suffix|>\nb<|fim_prefix|>a = <|fim_middle|>"],
    [
      "qwen",
      "psm",
      true,
      "<|repo_name|>project\n<|file_sep|>lib.py\nx = 1\n<|file_sep|>src/main.py\n<|fim_prefix|>a = <|fim_suffix|>\nb<|fim_middle|>",
    ],
    ["starcoder2", "psm", false, "<fim_prefix>a = <fim_suffix>\nb<fim_middle>"],
    ["starcoder2", "spm", false, "<fim_prefix><fim_suffix>\nb<fim_middle>a = "],
    [
      "starcoder2",
      "psm",
      true,
      "<repo_name>project\n<file_sep>lib.py\nx = 1\n<file_sep><fim_prefix>src/main.py\na = <fim_suffix>\nb<fim_middle>",
    ],
    [
      "starcoder",
      "psm",
      true,
      "<reponame>project\n<filename>lib.py\nx = 1\n<filename><fim_prefix>src/main.py\na = <fim_suffix>\nb<fim_middle>",
    ],
    [
      "codegemma",
      "psm",
      true,
      "<|file_separator|>lib.py\nx = 1\n<|file_separator|><|fim_prefix|>src/main.py\na = <|fim_suffix|>\nb<|fim_middle|>",
    ],
    ["deepseek", "psm", false, "<｜fim▁begin｜>a = <｜fim▁hole｜>\nb<｜fim▁end｜>"],
    ["deepseek", "psm", true, "<｜fim▁begin｜># Path: lib.py\n# x = 1\na = <｜fim▁hole｜>\nb<｜fim▁end｜>"],
    ["codellama", "psm", false, "▁<PRE>a = ▁<SUF>\nb▁<MID>"],
    ["codellama", "spm", false, "▁<PRE>▁<SUF>\nb▁<MID>a = "],
    ["granite", "psm", true, "<fim_prefix># Path: lib.py\n# x = 1\na = <fim_suffix>\nb<fim_middle>"],
    ["smollm2", "psm", true, "# Path: lib.py\n# x = 1\na = "],
  ];
  for (const [model, order, withSnippet, prompt] of layouts)
    it(`${model} in ${order} order${withSnippet ? " with another file" : ""}`, () =>
      assert.equal(shown(model, { order, snippets: withSnippet ? [other] : [] }), prompt));

  it("gives text the space that SentencePiece puts before it only where a text begins", () => {
    const tokenizer = new SpacingTokenizer(vocabularies.codellama);
    const show = (change: Partial<PromptRequest>) =>
      tokenizer.show(packPrompt(request(tokenizer, { suffix: "\nb\nc", ...change })).tokens);
    assert.equal(show({}), "▁<PRE>▁a = ▁<SUF>\nb\nc▁<MID>");
    assert.equal(show({ order: "spm" }), "▁<PRE>▁<SUF>\nb\nc▁<MID>▁a = ");
    assert.equal(show({ snippets: [other] }), "▁<PRE>▁# Path: lib.py\n# x = 1\na = ▁<SUF>\nb\nc▁<MID>");
  });

  it("gives files the space that SentencePiece puts before text only where one begins the text", () => {
    const snippets = [other, { path: "a.py", text: "y = 2\n" }];
    const packed = (model: keyof typeof vocabularies) => {
      const tokenizer = new SpacingTokenizer(vocabularies[model]);
      return tokenizer.show(packPrompt(request(tokenizer, { snippets, prefix: "b = ", suffix: "" })).tokens);
    };
    assert.equal(packed("codellama"), "▁<PRE>▁# Path: a.py\n# y = 2\n# Path: lib.py\n# x = 1\nb = ▁<SUF>▁<MID>");
    assert.equal(
      packed("starcoder2"),
      "<repo_name>project\n<file_sep>a.py\ny = 2\n<file_sep>lib.py\nx = 1\n<file_sep><fim_prefix>src/main.py\nb = <fim_suffix><fim_middle>",
    );
  });

  it("counts its parts", () => {
    const tokenizer = new ToyTokenizer(vocabularies.qwen);
    const packed = packPrompt(request(tokenizer, { snippets: [other] }));
    assert.equal(packed.prefixTokens, tokenizer.encode("a = ").length);
    assert.equal(packed.suffixTokens, tokenizer.encode("\nb").length);
    assert.equal(packed.tokens.length, packed.prefixTokens + packed.suffixTokens + packed.snippetTokens + 3);
    assert.deepEqual([packed.truncated, packed.notes], [false, []]);
  });

  it("hands out the text that it has no room for, that nearest the cursor last", () => {
    const tokenizer = new ToyTokenizer(vocabularies.qwen);
    const above = Array.from({ length: 400 }, (_, i) => `above${i}\n`).join("");
    const below = Array.from({ length: 4000 }, (_, i) => `\nbelow${i}`).join("");
    const budget = { total: 300, suffix: 60, snippets: 0 };
    const packed = packPrompt(request(tokenizer, { prefix: above, suffix: below, snippets: [other], budget }));
    const [snippet, before, after] = packed.leftOut;
    assert.equal(packed.leftOut.length, 3);
    assert.equal(snippet, other.text);
    const shown = tokenizer.show(packed.tokens);
    assert.ok(above.startsWith(before!) && before !== above && shown.includes(above.slice(before!.length)));
    assert.ok(after!.length === 16_000 && !shown.includes(after!.slice(0, 40)) && below.includes(after!));
    assert.deepEqual(packPrompt(request(tokenizer, {})).leftOut, [], "where all was packed");
  });

  it("begins with the begin token", () => {
    const tokenizer = new ToyTokenizer(vocabularies.codellama, 3);
    assert.equal(packPrompt(request(tokenizer, {})).tokens[0], 3);
  });

  it("says that a model without infilling tokens sees the prefix alone", () => {
    const packed = packPrompt(request(new ToyTokenizer(vocabularies.smollm2), {}));
    assert.equal(packed.suffixTokens, 0);
    assert.deepEqual(packed.notes, ["noInfilling"]);
    assert.equal(packed.truncated, false);
  });

  it("never exceeds its budget, whatever is in it, and says what it left out", () => {
    const tokenizer = new ToyTokenizer(vocabularies.qwen, 0);
    const long = "value = compute(1)\n\n变量 = 计算(输入)\n".repeat(300);
    const oneLine = "call(argument);".repeat(2000);
    for (const total of [5, 8, 17, 64, 301, 1000])
      for (const [prefix, suffix] of [
        [long, long],
        [oneLine, oneLine],
        ["", long],
        [long, ""],
      ] as const) {
        const snippets = [{ path: "x.py", text: long }];
        const packed = packPrompt(
          request(tokenizer, { prefix, suffix, snippets, budget: { total, suffix: 60, snippets: 90 } }),
        );
        assert.ok(packed.tokens.length <= total, `${packed.tokens.length} of ${total}`);
        assert.ok(packed.tokens.length >= Math.min(total, 64) / 4, `only ${packed.tokens.length} of ${total}`);
        assert.equal(packed.truncated, true);
        assert.deepEqual(packed.notes, [prefix === "" ? "cutBelow" : suffix === "" ? "cutAbove" : "cutAround"]);
      }
  });

  it("refuses a budget without room for text", () => {
    const tokenizer = new ToyTokenizer(vocabularies.qwen);
    const tiny = request(tokenizer, { budget: { total: 3, suffix: 1, snippets: 0 } });
    assert.throws(
      () => packPrompt(tiny),
      (error) => error instanceof JakiroError && error.kind === "usage",
    );
  });

  it("reads CRLF and a byte order mark as the model knows text", () => {
    assert.equal(
      shown("qwen", { prefix: "\uFEFFa = 1\r\nb = ", suffix: "\r\nc\r\n" }),
      "<|fim_prefix|>a = 1\nb = <|fim_suffix|>\nc\n<|fim_middle|>",
    );
  });

  it("leaves out the snippets of lowest rank, and does not mind a change of rank otherwise", () => {
    const snippets = ["c.py", "a.py", "b.py"].map((path) => ({ path, text: `${path[0]} = 1\n`.repeat(6) }));
    const budget = { total: 400, suffix: 10, snippets: 100 };
    const prompt = shown("qwen", { snippets, budget });
    assert.ok(prompt.indexOf("a.py") > 0 && prompt.indexOf("a.py") < prompt.indexOf("c.py"));
    assert.ok(!prompt.includes("b.py"));
    assert.equal(shown("qwen", { snippets: [snippets[1]!, snippets[0]!], budget }), prompt);
  });

  it("changes only the last few tokens before the suffix when a character is typed", () => {
    const tokenizer = new ToyTokenizer(vocabularies.qwen);
    const typed = "    for counter, element in enumerate(collection):\n        print(counter)\n";
    const text = "value = compute(1)\n".repeat(10);
    for (let length = 1; length < typed.length; length++) {
      const [before, after] = [length - 1, length].map((end) =>
        packPrompt(request(tokenizer, { prefix: text + typed.slice(0, end) })),
      );
      const kept = before!.tokens.findIndex((token, index) => token !== after!.tokens[index]);
      assert.ok(
        kept >= before!.prefixTokens + 1 - 2,
        `${kept} of ${before!.prefixTokens} after ${typed.slice(0, length)}`,
      );
    }
  });

  it("reads no more of a file of 100,000 lines than of a short one", () => {
    const tokenizer = new ToyTokenizer(vocabularies.qwen);
    const line = "    value = compute(1)\n";
    const budget = { total: 1000, suffix: 100, snippets: 0 };
    const pack = (lines: number) => {
      tokenizer.encoded = 0;
      packPrompt(request(tokenizer, { prefix: line.repeat(lines), suffix: line.repeat(lines), budget }));
      return tokenizer.encoded;
    };
    const short = pack(1000);
    assert.ok(pack(50_000) <= 1.5 * short);
  });
});
