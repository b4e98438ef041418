import { onlyClosers } from "../engine/completion/facts.ts";
import type { ConnectionState } from "./engine.ts";
import { isPrivate } from "./privateFiles.ts";
import type { Settings } from "./settings.ts";
import { engineFailed, type NoSuggestion } from "./suggestionLog.ts";

export type Trigger = "automatic" | "manual";

/** What is known of the editor in which a suggestion would appear, before any text is read. */
export interface EditorFacts {
  readonly scheme: string;
  /** With "/", as the URI has it. */
  readonly path: string;
  readonly languageId: string;
  readonly readOnly: boolean;
  readonly cursors: number;
  readonly hasSelection: boolean;
}

/** Input boxes, output and old versions of files: not places in which code is written. */
const foreignSchemes = new Set([
  "vscode-scm",
  "output",
  "comment",
  "git",
  "gitlens",
  "review",
  "debug",
  "search-editor",
]);
const foreignLanguages = new Set(["scminput", "log", "Log", "search-result"]);

/** Whether an editor's text can be changed, can be read alone, or is not code at all. */
export type EditorKind = "writable" | "readOnly" | "foreign";

export function editorKind({ scheme, languageId, readOnly }: EditorFacts): EditorKind {
  if (foreignSchemes.has(scheme) || foreignLanguages.has(languageId)) return "foreign";
  return readOnly ? "readOnly" : "writable";
}

/** Why nothing is to be suggested in this editor; a manual trigger overrides what only concerns suggestions while typing. */
export function refusalByEditor(editor: EditorFacts, settings: Settings, trigger: Trigger): NoSuggestion | undefined {
  const { languageId } = editor;
  const kind = editorKind(editor);
  if (kind === "foreign") return { stage: "foreignEditor" };
  if (kind === "readOnly") return { stage: "readOnly" };
  if (isPrivate(editor.path)) return { stage: "privateFile" };
  if (editor.cursors > 1) return { stage: "severalCursors" };
  if (editor.hasSelection) return { stage: "selection" };
  if (trigger === "manual") return undefined;
  if (!settings.enabled) return { stage: "disabled" };
  if (!isEnabledFor(languageId, settings)) return { stage: "languageDisabled", detail: languageId };
  return undefined;
}

export function isEnabledFor(languageId: string, { enabledLanguages }: Settings): boolean {
  return enabledLanguages[languageId] ?? enabledLanguages["*"] ?? true;
}

/** Why the engine is not worth asking. */
export function refusalByEngine(state: ConnectionState): NoSuggestion | undefined {
  if (state.kind === "noModel") return { stage: "noModel" };
  const isGone = state.kind === "stopped" || (state.kind === "failed" && state.serving === undefined);
  return isGone ? engineFailed(state) : undefined;
}

/** While typing, text behind the cursor other than closing characters means that something is being changed there. */
export function refusalByPlace(restOfLine: string, trigger: Trigger): NoSuggestion | undefined {
  return trigger === "manual" || onlyClosers.test(restOfLine) ? undefined : { stage: "midLine" };
}
