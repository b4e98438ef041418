import { JakiroError } from "../engine/errors.ts";
import type { EngineState, Note } from "../protocol/messages.ts";
import type { Localizer } from "./localizer.ts";

/** What the engine does while a model comes into memory. */
export function stageText(stage: Extract<EngineState, { kind: "loading" }>["stage"], l10n: Localizer): string {
  return stage === "loading" ? l10n.t("Loading the model") : l10n.t("Preparing the model");
}

/** What went wrong in a part of the engine that runs here, for a user of the editor. */
export function failureText(error: unknown): string {
  if (error instanceof JakiroError) return error.inEditor;
  return error instanceof Error ? error.message : String(error);
}

/** What the engine has to say of an answer; undefined for nothing. */
export function noteText(notes: readonly Note[], l10n: Localizer): string | undefined {
  const sentences: Readonly<Record<Note, string>> = {
    noInfilling: l10n.t("This model has no infilling tokens: it completes from the text before the cursor alone."),
    noChat: l10n.t("This model has no chat format: it goes on from your instruction as a comment."),
    nothingBefore: l10n.t("This model can only go on from the text before the cursor, and there is none."),
    cutAbove: l10n.t("The file is longer than the prompt may be: text far above the cursor was left out."),
    cutBelow: l10n.t("The file is longer than the prompt may be: text far below the cursor was left out."),
    cutAround: l10n.t("The file is longer than the prompt may be: text far from the cursor was left out."),
  };
  return notes.length === 0 ? undefined : notes.map((note) => sentences[note]).join(" ");
}
