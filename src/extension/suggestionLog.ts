import type { ConnectionState, Failure, FailureRemedy } from "./engine.ts";
import type { Localizer } from "./localizer.ts";
import { type OtherProvider, providerRemedy, providerText } from "./otherProviders.ts";
import { engineRemedy, type Remedy, settingRemedy } from "./remedies.ts";

/** Where the way from a keystroke to a suggestion can end. */
export type Stage =
  | "foreignEditor"
  | "readOnly"
  | "privateFile"
  | "severalCursors"
  | "selection"
  | "editorSetting"
  | "paused"
  | "disabled"
  | "languageDisabled"
  | "noModel"
  | "loading"
  | "engine"
  | "midLine"
  | "widget"
  | "typing"
  | "yielded"
  | "nothingToAdd"
  | "internal";

export interface NoSuggestion {
  readonly stage: Stage;
  /** A language id, or the engine's own sentence. */
  readonly detail?: string;
  /** What helps against a failure of the engine. */
  readonly remedy?: FailureRemedy;
}

/** The engine has failed, in its words. */
export function engineFailed({ message, remedy }: Failure): NoSuggestion {
  return { stage: "engine", detail: message, ...(remedy === undefined ? {} : { remedy }) };
}

/** What `Why No Suggestion?` shows. */
export interface Explanation {
  /** Absent: a suggestion was shown, or none was asked for yet. */
  readonly stage?: Stage;
  readonly sentence: string;
  readonly remedy?: Remedy;
}

/** What an explanation depends on besides the last request. */
export interface Circumstances {
  /** VS Code's `editor.inlineSuggest.enabled`, without which nobody is asked; true where absent. */
  readonly editorSuggests?: boolean;
  readonly engine?: ConnectionState;
  /** Another extension that suggests inline here. */
  readonly other?: OtherProvider | undefined;
}

/** Remembers how the last request for a suggestion ended. */
export class SuggestionLog {
  private last: NoSuggestion | "shown" | undefined;

  shown(): void {
    this.last = "shown";
  }

  stopped(reason: NoSuggestion): void {
    this.last = reason;
  }

  /** The last request's end, in the user's language. */
  explain(l10n: Localizer, { editorSuggests = true, engine, other }: Circumstances = {}): Explanation {
    if (!editorSuggests) return explanationOf({ stage: "editorSetting" }, engine, l10n);
    // Who waits for a model ends the wait by typing, or by asking why.
    const isLoading = engine?.kind === "starting" || engine?.kind === "loading";
    if (isLoading && (this.last === undefined || isWaitEnded(this.last)))
      return explanationOf({ stage: "loading" }, engine, l10n);
    if (this.last === undefined)
      return beside(other, l10n.t("No suggestion was asked for yet: type in an editor, or trigger one."), l10n);
    if (this.last === "shown") return beside(other, l10n.t("The last request had a suggestion."), l10n);
    const explanation = explanationOf(this.last, engine, l10n);
    const whySlow = engine?.kind === "ready" ? engine.model.deviceReason : undefined;
    if (this.last.stage !== "typing" || whySlow === undefined) return explanation;
    return { ...explanation, sentence: `${explanation.sentence} ${l10n.t("It runs on the processor: {0}", whySlow)}` };
  }
}

/** Where Jakiro kept nothing back, another extension may be what the user sees instead. */
function beside(other: OtherProvider | undefined, sentence: string, l10n: Localizer): Explanation {
  if (other === undefined) return { sentence };
  return { sentence: `${sentence} ${providerText(other, l10n)}`, remedy: providerRemedy(other, l10n) };
}

function isWaitEnded(last: NoSuggestion | "shown"): boolean {
  return last !== "shown" && (last.stage === "typing" || last.stage === "yielded");
}

function explanationOf(
  { stage, detail = "", remedy }: NoSuggestion,
  engine: ConnectionState | undefined,
  l10n: Localizer,
): Explanation {
  const trigger = { title: l10n.t("Complete Here"), command: "jakiro.completeHere" };
  const log = { title: l10n.t("Show Log"), command: "jakiro.showLog" };
  const toggle = { title: l10n.t("Toggle"), command: "jakiro.toggle" };
  const explanations: Readonly<Record<Stage, Omit<Explanation, "stage">>> = {
    foreignEditor: { sentence: l10n.t("Input boxes, output, logs and old versions of files get no suggestions.") },
    readOnly: { sentence: l10n.t("This editor is read-only.") },
    privateFile: {
      sentence: l10n.t("By its name this file holds secrets; such files are never read. Rename it if it does not."),
    },
    severalCursors: { sentence: l10n.t("Suggestions appear at a single cursor only: press Escape to leave one.") },
    selection: { sentence: l10n.t("Text is selected: press an arrow key, or generate code from an instruction.") },
    editorSetting: {
      sentence: l10n.t("Inline suggestions are switched off in the editor's settings."),
      remedy: settingRemedy("editor.inlineSuggest.enabled", l10n),
    },
    paused: { sentence: l10n.t("On battery, suggestions appear only when you ask for them."), remedy: trigger },
    disabled: { sentence: l10n.t("Suggestions are switched off."), remedy: toggle },
    languageDisabled: {
      sentence: l10n.t("Suggestions are switched off for {0}.", detail),
      remedy: { title: l10n.t("Toggle for This Language"), command: "jakiro.toggleLanguage" },
    },
    noModel: {
      sentence: l10n.t("No model was chosen yet."),
      remedy: { title: l10n.t("Select Model"), command: "jakiro.selectModel" },
    },
    loading: {
      sentence: l10n.t("The model is being loaded; suggestions begin when it is ready."),
      remedy: { title: l10n.t("Open Statistics"), command: "jakiro.openStatistics" },
    },
    engine: { sentence: detail, remedy: engineRemedy(remedy, engine, l10n) },
    midLine: {
      sentence: l10n.t("Code follows the cursor on its line; while typing, suggestions appear at line ends only."),
      remedy: trigger,
    },
    widget: {
      sentence: l10n.t("The list of suggestions replaces several lines; press Escape to close it."),
      remedy: trigger,
    },
    typing: { sentence: l10n.t("You typed on before the model had answered."), remedy: trigger },
    yielded: {
      sentence: l10n.t("The engine ended without an answer; the next keystroke asks again."),
      remedy: trigger,
    },
    nothingToAdd: { sentence: l10n.t("The model had nothing to add here."), remedy: trigger },
    internal: { sentence: l10n.t("Something went wrong in the extension: {0}", detail), remedy: log },
  };
  return { stage, ...explanations[stage] };
}
