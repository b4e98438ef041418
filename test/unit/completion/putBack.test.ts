import assert from "node:assert/strict";
import { cursorFacts } from "../../../src/engine/completion/facts.ts";
import { isBlank } from "../../../src/engine/completion/lines.ts";
import { StopTracker } from "../../../src/engine/completion/stopRules.ts";
import { trimCompletion } from "../../../src/engine/completion/trim.ts";
import { samples } from "./samples.ts";

/** The document after a model without an end wrote `generated` at the cursor and its completion was accepted. */
function documentAfter(prefix: string, suffix: string, generated: string, languageId?: string): string {
  const facts = cursorFacts(prefix, suffix, languageId);
  const state = new StopTracker(facts).push(generated);
  return prefix + trimCompletion(state.keep, facts, state.done ? "rule" : "length").text + suffix;
}

interface Hole {
  readonly name: string;
  /** Where the cursor stands, given the line that was taken out: what is left of it, and what the model has to write. */
  readonly cut: (line: string) => { readonly left: string; readonly missing: string };
  /** What stands between the cursor and the lines below. */
  readonly between: string;
}

const indentOf = (line: string) => /^\s*/.exec(line)![0];
const afterFirstWord = (line: string) => /^\s*(?:\w+|\W)/.exec(line)![0];

const holes: readonly Hole[] = [
  { name: "before the next line", cut: (line) => ({ left: "", missing: line }), between: "" },
  { name: "on an empty line", cut: (line) => ({ left: "", missing: line }), between: "\n" },
  {
    name: "on an indented line",
    cut: (line) => ({ left: indentOf(line), missing: line.slice(indentOf(line).length) }),
    between: "\n",
  },
  {
    name: "after its first word",
    cut: (line) => ({ left: afterFirstWord(line), missing: line.slice(afterFirstWord(line).length) }),
    between: "\n",
  },
];

/** A model that goes on rewriting what follows may change it a little. */
const rewritings: readonly (readonly [string, (below: string) => string])[] = [
  ["the lines below", (below) => below],
  ["the lines below with a changed one", (below) => below.replace(/(\w{4,})(\W*)\n/, "$1s$2\n")],
];

describe("putting back a line that was taken out of a file", () => {
  for (const { languageId, text } of samples) {
    for (const { name, cut, between } of holes) {
      for (const [rewriting, rewrite] of rewritings) {
        it(`${languageId}: ${name}, when the model goes on with ${rewriting}`, () => {
          const lines = text.trimEnd().split("\n");
          for (const [index, line] of lines.entries()) {
            if (isBlank(line)) continue;
            const above = lines
              .slice(0, index)
              .map((other) => `${other}\n`)
              .join("");
            const below = lines
              .slice(index + 1)
              .map((other) => `${other}\n`)
              .join("");
            const { left, missing } = cut(line);
            const cursorOnBlankLine = between === "" && below.startsWith("\n");
            if (missing === "" || cursorOnBlankLine) continue;
            const document = documentAfter(above + left, between + below, `${missing}\n${rewrite(below)}`, languageId);
            const expected = `${above}${line}\n${below}`;
            assert.equal(document.trimEnd(), expected.trimEnd(), `line ${index + 1}: ${line}`);
          }
        });
      }
    }
  }
});
