import assert from "node:assert/strict";
import { join } from "node:path";
import { keysFor, randomNumbers, textsAfterKeys } from "../../../bench/editor/person.ts";
import { languages, readSittings, shortened } from "../../../bench/editor/traces.ts";
import { press, type TypedText, type TypingLanguage } from "../../../bench/editor/typing.ts";
import { repository } from "../../workbench/repository.ts";

const folder = join(repository, "bench", "suites", "typing");

/** The text around "|" after keys, one per character; "\n" and "\b" stand for Enter and Backspace. */
function typed(language: TypingLanguage, around: string, keys: string): string {
  const [before, after] = around.split("|") as [string, string];
  let text: TypedText = { before, after, closed: 0 };
  for (const key of keys) text = press(text, key === "\n" ? "Enter" : key === "\b" ? "Backspace" : key, language);
  return `${text.before}|${text.after}`;
}

describe("typing traces", () => {
  it("close brackets and quotes as the editor does, and pass what it closed", () => {
    assert.equal(typed("typescript", "|", "f(`a"), "f(`a|`)");
    assert.equal(typed("typescript", "|", "f(`a`)"), "f(`a`)|");
    assert.equal(typed("typescript", "|name", "("), "(|name");
    assert.equal(typed("typescript", "don|", "'"), "don'|");
    assert.equal(typed("python", "print(|)", 'f"{x'), 'print(f"{x|")');
    assert.equal(typed("javascript", "|", "(\b"), "|");
  });

  it("indent as the editor does", () => {
    assert.equal(typed("typescript", "  if (a) |", "{\n"), "  if (a) {\n    |\n  }");
    assert.equal(typed("python", "def f():|", "\nreturn 1\n"), "def f():\n    return 1\n    |");
    assert.equal(typed("python", "    return 1|", "\n\b"), "    return 1\n|");
    assert.equal(typed("javascript", "call(a,|", "\n"), "call(a,\n  |");
  });

  it("lead to the text they were made for", () => {
    for (const sitting of languages.flatMap((language) => readSittings(folder, language))) {
      const { before, after } = textsAfterKeys(sitting).at(-1)!;
      assert.equal(before + after, sitting.before + sitting.typed + sitting.after, sitting.file);
      assert.deepEqual(keysFor(sitting, randomNumbers(`${sitting.file} ${sitting.typed}`)), sitting.keys);
    }
  });

  it("hold at least a hundred keystrokes per language, with corrections", () => {
    for (const language of languages) {
      const keys = readSittings(folder, language).flatMap((sitting) => sitting.keys);
      assert.ok(keys.length >= 100);
      assert.ok(keys.some(([, key]) => key === "Backspace"));
    }
  });

  it("can be cut short", () => {
    const [first, second, third] = readSittings(folder, "python");
    const cut = shortened([first!, second!, third!], first!.keys.length + 5);
    assert.deepEqual(
      cut.map(({ keys }) => keys.length),
      [first!.keys.length, 5],
    );
  });
});
