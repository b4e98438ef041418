import type { EditorIndentation } from "../protocol/messages.ts";
import { cutsCharacter } from "./characters.ts";

/** The text around a cursor, as far as a completion depends on it. */
export interface DocumentState {
  /** URI of the document, or of the notebook cell. */
  readonly uri: string;
  readonly languageId: string;
  /** Where the prefix begins; states whose prefixes begin elsewhere are not compared. */
  readonly start: string;
  /** In the document's line ends, as is the suffix. */
  readonly prefix: string;
  readonly suffix: string;
  /** How the editor is set; undefined where the document is in none. */
  readonly indentation?: EditorIndentation | undefined;
}

/** How one state of a document came from an earlier one. */
export interface Continuation {
  /** Typed or accepted at the cursor since then. */
  readonly typed: string;
  /** Closing brackets and quotes that the editor put behind the cursor meanwhile. */
  readonly closed: string;
}

/** States of one document have a long beginning in common, and differ within so many characters before the cursor. */
const tellingLength = 32;
/** Brackets and quotes that an editor closes by itself within one continued completion. */
const mostClosed = 4;
const openerOf: Readonly<Record<string, string>> = {
  ")": "(",
  "]": "[",
  "}": "{",
  ">": "<",
  '"': '"',
  "'": "'",
  "`": "`",
};

/** Undefined unless nothing happened but typing at the cursor: at most `longest` characters, nothing deleted. */
export function continuationOf(from: DocumentState, to: DocumentState, longest = Infinity): Continuation | undefined {
  const length = to.prefix.length - from.prefix.length;
  if (length < 0 || length > longest) return undefined;
  if (from.uri !== to.uri || from.languageId !== to.languageId || from.start !== to.start) return undefined;
  if (!isSameIndentation(from.indentation, to.indentation)) return undefined;
  const telling = Math.max(0, from.prefix.length - tellingLength);
  if (!to.prefix.startsWith(from.prefix.slice(telling), telling)) return undefined;
  const closedLength = to.suffix.length - from.suffix.length;
  if (closedLength < 0 || closedLength > mostClosed || !to.suffix.endsWith(from.suffix)) return undefined;
  if (!to.prefix.startsWith(from.prefix)) return undefined;
  const typed = to.prefix.slice(from.prefix.length);
  const closed = to.suffix.slice(0, closedLength);
  return [...closed].every((closer) => typed.includes(openerOf[closer] ?? "\0")) ? { typed, closed } : undefined;
}

function isSameIndentation(a: DocumentState["indentation"], b: DocumentState["indentation"]): boolean {
  return a?.insertSpaces === b?.insertSpaces && a?.tabSize === b?.tabSize;
}

/**
 * What remains of a completion after some of it was typed; it takes the place of `closed`. Undefined if the user typed
 * something else, nothing remains, or the editor closed what the completion leaves open.
 */
export function remainderOf(text: string, { typed, closed }: Continuation): string | undefined {
  if (!text.startsWith(typed) || cutsCharacter(text, typed.length)) return undefined;
  const rest = text.slice(typed.length);
  return rest.trim() !== "" && hasInOrder(rest, closed) ? rest : undefined;
}

function hasInOrder(text: string, characters: string): boolean {
  let from = 0;
  for (const character of characters) {
    const found = text.indexOf(character, from);
    if (found < 0) return false;
    from = found + 1;
  }
  return true;
}

/** The state after `text` was accepted in place of the first `replaced` characters behind the cursor. */
export function stateAfter(state: DocumentState, text: string, replaced = 0): DocumentState {
  return { ...state, prefix: state.prefix + text, suffix: state.suffix.slice(replaced) };
}
