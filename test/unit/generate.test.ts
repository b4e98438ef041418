import assert from "node:assert/strict";
import { chooseTemplate } from "../../src/engine/completion/fimTemplates.ts";
import type { DecodeRequest, DecodeResult, FinishReason } from "../../src/engine/decoding/decoder.ts";
import { greedy } from "../../src/engine/decoding/sampling.ts";
import { DecodingStatistics } from "../../src/engine/decoding/statistics.ts";
import { JakiroError } from "../../src/engine/errors.ts";
import { type GenerationRequest, generateCode, generationPrompt } from "../../src/engine/generate.ts";
import { ToyTokenizer } from "./completion/toyTokenizer.ts";

const chatMarks = ["<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"];
const chat =
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{{ '<|im_start|>assistant\n' }}";

interface Options {
  readonly step?: number;
  readonly reason?: FinishReason;
  readonly template?: string | undefined;
  readonly capacity?: number;
}

/** What comes of an instruction when the model answers with `answer`, and what it was asked. */
async function generate(answer: string, request: Partial<GenerationRequest>, options: Options = {}) {
  const { step = 3, reason = "end", capacity = 1024 } = options;
  const tokenizer = new ToyTokenizer(chatMarks, undefined, "template" in options ? options.template : chat);
  const script = tokenizer.encode(answer);
  let asked: DecodeRequest | undefined;
  const session = {
    capacity,
    async decode(decoding: DecodeRequest): Promise<DecodeResult> {
      asked = decoding;
      const tokens: number[] = [];
      let finishReason = reason;
      for (let at = 0; at < script.length; at += step) {
        const fresh = script.slice(at, at + step);
        const stop = decoding.onTokens?.(fresh);
        tokens.push(...fresh.slice(0, stop));
        if (stop === undefined) continue;
        finishReason = "stop";
        break;
      }
      return { tokens, finishReason, cachedTokens: 0, candidates: [], statistics: new DecodingStatistics() };
    },
  };
  const result = await generateCode({ tokenizer, template: chooseTemplate(tokenizer), suffixTokens: 256 }, session, {
    prefix: "",
    selection: "",
    suffix: "",
    instruction: "write it",
    languageId: "python",
    maxTokens: 64,
    sampling: greedy,
    ...request,
  });
  return { result, shown: tokenizer.show(asked!.prompt), asked: asked!, tokenizer };
}

describe("generateCode", () => {
  it("asks in the model's chat format: what changes least first, the instruction last", async () => {
    const { shown } = await generate("x", {
      prefix: "import os\n",
      selection: "a = 1\n",
      suffix: "print(a)\n",
      snippets: [{ path: "b.py", text: "b = 2\n" }],
      path: "src/a.py",
      instruction: "  use\n two ",
    });
    const order = [
      "<|im_start|>system",
      "b.py",
      "b = 2",
      "src/a.py",
      "import os",
      "print(a)",
      "a = 1",
      "use two<|im_end|>",
    ];
    const places = order.map((part) => shown.indexOf(part));
    assert.ok(
      places.every((place, index) => place > (places[index - 1] ?? -1)),
      shown,
    );
    assert.ok(shown.endsWith("<|im_start|>assistant\n"));
  });

  it("inserts the code of the answer alone, and ends where its block does", async () => {
    for (const step of [1, 4, 100]) {
      const { result } = await generate(
        "Sure:\n```python\ndef f():\n    pass\n```\nThis is f.",
        { prefix: "a = 1\n" },
        { step },
      );
      assert.deepEqual([result.text, result.finishReason, result.cut], ["def f():\n    pass", "stop", false]);
    }
  });

  it("replaces a selection in the document's indentation and line ends", async () => {
    const { result } = await generate("```\nif y:\n    x = 2\n```", {
      prefix: "def f():\r\n\t",
      selection: "x = 1",
      suffix: "\r\n\treturn x\r\n",
    });
    assert.equal(result.text, "if y:\r\n\t\tx = 2");
  });

  it("goes by the editor where the document shows no indentation, with a chat format and without", async () => {
    const indentation = { insertSpaces: false, tabSize: 4 };
    const request = { prefix: "first();\n", suffix: "\nlast();\n", languageId: "typescript", indentation };
    const code = "if (y) {\n  x();\n}";
    const { result } = await generate(`\`\`\`\n${code}\n\`\`\``, request);
    assert.equal(result.text, "if (y) {\n\tx();\n}");
    const { result: continued } = await generate(code, request, { template: undefined });
    assert.equal(continued.text, "if (y) {\n\tx();\n}");
  });

  it("says that the code was cut", async () => {
    const { result } = await generate("```\nx = [1,", {}, { reason: "length" });
    assert.deepEqual([result.text, result.cut], ["x = [1,", true]);
  });

  it("reports the code as it grows, never the talk around it", async () => {
    const seen: string[] = [];
    await generate("Certainly! Here you are:\n\n```python\nx = 1\ny = 2\n```", { onText: (text) => seen.push(text) });
    assert.equal(seen.at(-1), "x = 1\ny = 2");
    for (const text of seen) assert.ok("x = 1\ny = 2".startsWith(text), text);
  });

  it("never makes special tokens of the user's text", async () => {
    const { asked, tokenizer } = await generate("x", {
      instruction: "print <|im_end|>",
      prefix: "<|im_start|>\n",
      selection: "<|im_end|>",
    });
    const special = asked.prompt.filter((id) => tokenizer.isSpecial(id)).map((id) => tokenizer.token(id));
    assert.deepEqual(special, ["<|im_start|>", "<|im_end|>", "<|im_start|>", "<|im_end|>", "<|im_start|>"]);
  });

  it("keeps a long document within the prompt, near the place, and says so", async () => {
    const line = (index: number) => `value_${index} = ${index}\n`;
    const lines = Array.from({ length: 500 }, (_, index) => line(index)).join("");
    const { result, asked, shown } = await generate("x", { prefix: lines, suffix: lines, selection: "here = 0\n" });
    assert.ok(asked.prompt.length <= 1024 - 64, String(asked.prompt.length));
    assert.ok(asked.prompt.length > 600);
    assert.ok(shown.includes("value_499") && shown.includes("here = 0") && shown.includes("value_0 ="));
    assert.deepEqual(result.notes, ["cutAround"]);
  });

  it("says which language and file an empty document has", async () => {
    const { shown } = await generate("x", { path: "src/a.ts", languageId: "typescript" });
    assert.match(shown, /user\nWrite the typescript code for src\/a\.ts: write it<\|im_end\|>/);
  });

  it("keeps within the prompt whatever its parts", async () => {
    const text = "value = 1\n".repeat(300);
    const snippets = Array.from({ length: 9 }, (_, index) => ({ path: `part${index}.py`, text: "b = 2\n".repeat(20) }));
    for (const selection of ["", "a = 1\n".repeat(30), "a = 1\n".repeat(145)]) {
      const path = `${"deep/".repeat(40)}a.py`;
      const { asked } = await generate("x", { prefix: text, suffix: text, selection, snippets, path });
      assert.ok(asked.prompt.length <= 1024 - 64, String(asked.prompt.length));
    }
  });

  it("refuses a selection that does not fit", async () =>
    assert.rejects(
      generate("x", { selection: "a = 1\n".repeat(400) }),
      (error) => error instanceof JakiroError && error.kind === "usage" && /select less/.test(error.message),
    ));

  describe("with a model without a chat format", () => {
    it("goes on from the instruction as a comment, and says so", async () => {
      const { result, shown } = await generate(
        "return a + b\n",
        { prefix: "def add(a, b):\n    ", suffix: "\n\nadd(1, 2)\n", instruction: "add\nthem" },
        { template: undefined },
      );
      assert.match(shown, /<\|fim_prefix\|>def add\(a, b\):\n\n {4}# add them\n {4}<\|fim_suffix\|>/);
      assert.equal(result.notes[0], "noChat");
      assert.equal(result.text, "return a + b");
    });

    it("shows the selection above the comment, in the document's language", async () => {
      const { shown, result } = await generate(
        "const a = 2;\n",
        {
          prefix: "f();\n",
          selection: "const a = 1;\n",
          suffix: "g();\n",
          instruction: "two",
          languageId: "typescript",
        },
        { template: "{{ broken" },
      );
      assert.ok(shown.includes("f();\nconst a = 1;\n\n// two\n<|fim_suffix|>"), shown);
      assert.equal(result.text, "const a = 2;\n");
    });

    it("has the same prompt for the bench", () => {
      const tokenizer = new ToyTokenizer(chatMarks);
      const engine = { tokenizer, template: chooseTemplate(tokenizer), suffixTokens: 256 };
      const place = { prefix: "a\n", selection: "", suffix: "", instruction: "go on", languageId: "python" };
      const { tokens, notes } = generationPrompt(engine, place, 200);
      assert.ok(tokenizer.show(tokens).includes("# go on\n"));
      assert.deepEqual(notes, ["noChat"]);
    });
  });
});
