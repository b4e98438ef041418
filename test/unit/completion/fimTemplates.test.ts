import assert from "node:assert/strict";
import { chooseTemplate } from "../../../src/engine/completion/fimTemplates.ts";
import { ToyTokenizer, vocabularies } from "./toyTokenizer.ts";

describe("chooseTemplate", () => {
  const names: readonly (readonly [keyof typeof vocabularies, string | undefined])[] = [
    ["qwen", "qwen2.5-coder"],
    ["starcoder2", "starcoder2"],
    ["starcoder", "starcoder"],
    ["deepseek", "deepseek-coder"],
    ["codellama", "codellama"],
    ["codegemma", "codegemma"],
    ["granite", "generic"],
    ["smollm2", undefined],
  ];
  for (const [vocabulary, name] of names)
    it(`${vocabulary}: ${name ?? "none"}`, () =>
      assert.equal(chooseTemplate(new ToyTokenizer(vocabularies[vocabulary]))?.name, name));

  it("needs all three markers", () => {
    assert.equal(chooseTemplate(new ToyTokenizer(["<|fim_prefix|>", "<|fim_suffix|>"])), undefined);
  });
});
