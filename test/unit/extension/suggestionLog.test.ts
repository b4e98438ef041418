import assert from "node:assert/strict";
import { engineFailed, type NoSuggestion, SuggestionLog } from "../../../src/extension/suggestionLog.ts";
import { model } from "./panelSample.ts";

const english = { t: (message: string, ...values: (string | number)[]) => message.replace("{0}", String(values[0])) };

describe("SuggestionLog", () => {
  it("knows of the last request only", () => {
    const log = new SuggestionLog();
    assert.match(log.explain(english).sentence, /asked for yet/);
    log.stopped({ stage: "noModel" });
    assert.equal(log.explain(english).remedy?.command, "jakiro.selectModel");
    log.shown();
    assert.equal(log.explain(english).stage, undefined);
  });

  it("blames the editor's own setting first", () => {
    const log = new SuggestionLog();
    log.shown();
    const { stage, remedy } = log.explain(english, { editorSuggests: false });
    assert.equal(stage, "editorSetting");
    assert.deepEqual(remedy?.arguments, ["editor.inlineSuggest.enabled"]);
  });

  it("names the language and repeats the engine's sentence", () => {
    const log = new SuggestionLog();
    log.stopped({ stage: "languageDisabled", detail: "python" });
    assert.match(log.explain(english).sentence, /python/);
    log.stopped(engineFailed({ message: "The disk is full.", remedy: "files" }));
    const { sentence, remedy } = log.explain(english);
    assert.deepEqual([sentence, remedy?.command], ["The disk is full.", "jakiro.manageModels"]);
    log.stopped(engineFailed({ message: "It is damaged." }));
    const failed = { kind: "failed", name: "m", message: "It is damaged." } as const;
    assert.equal(log.explain(english, { engine: failed }).remedy?.command, "jakiro.selectModel");
  });

  it("says that the model is being loaded where the wait for it was ended", () => {
    const log = new SuggestionLog();
    const loading = { kind: "loading", name: "m", stage: "loading" } as const;
    assert.equal(log.explain(english, { engine: loading }).stage, "loading");
    for (const stage of ["typing", "yielded"] as const) {
      log.stopped({ stage });
      assert.match(log.explain(english, { engine: loading }).sentence, /is being loaded/);
      assert.equal(log.explain(english).stage, stage);
    }
    log.stopped({ stage: "selection" });
    assert.equal(log.explain(english, { engine: loading }).stage, "selection");
    log.shown();
    assert.equal(log.explain(english, { engine: loading }).stage, undefined);
  });

  it("says why the model is slow where that is why", () => {
    const log = new SuggestionLog();
    const onProcessor = { kind: "ready", model: model({ deviceReason: "No GPU was found." }), busy: false } as const;
    log.stopped({ stage: "typing" });
    assert.match(
      log.explain(english, { engine: onProcessor }).sentence,
      /before .* answered\. It runs on the processor: No GPU was found\.$/,
    );
    log.stopped({ stage: "nothingToAdd" });
    assert.doesNotMatch(log.explain(english, { engine: onProcessor }).sentence, /processor/);
  });

  it("names another provider where Jakiro kept nothing back, and shows it", () => {
    const log = new SuggestionLog();
    const other = { id: "some.body", name: "Somebody" };
    for (const act of [() => undefined, () => log.shown()]) {
      act();
      const { sentence, remedy } = log.explain(english, { other });
      assert.match(sentence, /\. Somebody suggests code inline too: /);
      assert.deepEqual(remedy?.arguments, ["@id:some.body"]);
    }
    log.stopped({ stage: "selection" });
    assert.doesNotMatch(log.explain(english, { other }).sentence, /Somebody/);
  });

  const curable: readonly (readonly [NoSuggestion["stage"], string])[] = [
    ["paused", "jakiro.completeHere"],
    ["disabled", "jakiro.toggle"],
    ["languageDisabled", "jakiro.toggleLanguage"],
    ["engine", "jakiro.restartEngine"],
    ["midLine", "jakiro.completeHere"],
    ["typing", "jakiro.completeHere"],
    ["nothingToAdd", "jakiro.completeHere"],
    ["internal", "jakiro.showLog"],
  ];
  for (const [stage, command] of curable)
    it(`offers ${command} against ${stage}`, () => {
      const log = new SuggestionLog();
      log.stopped({ stage });
      assert.equal(log.explain(english).remedy?.command, command);
    });
});
