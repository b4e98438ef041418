import assert from "node:assert/strict";
import { noteText as onTheCommandLine } from "../../../src/engine/completion/notes.ts";
import { noteText, stageText } from "../../../src/extension/engineWords.ts";
import type { Localizer } from "../../../src/extension/localizer.ts";
import type { Note } from "../../../src/protocol/messages.ts";
import { english } from "./localizer.ts";

describe("what the engine says, in the user's language", () => {
  const shouting: Localizer = { t: (message) => message.toUpperCase() };
  const notes: readonly Note[] = ["noInfilling", "noChat", "nothingBefore", "cutAbove", "cutBelow", "cutAround"];

  it("has a sentence for every note, in English the command line's", () => {
    for (const note of notes) {
      assert.equal(noteText([note], english), onTheCommandLine([note]));
      assert.equal(noteText([note], shouting), onTheCommandLine([note])!.toUpperCase());
    }
    assert.equal(noteText(notes, english), onTheCommandLine(notes));
    assert.deepEqual([noteText([], english), onTheCommandLine([])], [undefined, undefined]);
  });

  it("names the stages of loading", () => {
    assert.deepEqual(
      (["loading", "preparing"] as const).map((stage) => stageText(stage, shouting)),
      ["LOADING THE MODEL", "PREPARING THE MODEL"],
    );
  });
});
