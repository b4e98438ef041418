import { JakiroError } from "../errors.ts";
import type { ChatTemplate } from "../model/chatTemplate.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import type { CodePlace } from "./insertion.ts";
import { isBlank, normalizeLineEnds } from "./lines.ts";
import type { Note } from "./notes.ts";
import type { Snippet } from "./snippets.ts";
import { headWindow, tailWindow } from "./textWindow.ts";

/** What is asked for, and where. */
export interface Instruction extends CodePlace {
  readonly instruction: string;
  /** Relative to the workspace, with "/". */
  readonly path?: string | undefined;
  /** Pieces of other files, best first. */
  readonly snippets?: readonly Snippet[];
}

export interface InstructionPrompt {
  readonly tokens: readonly number[];
  /** Of these, about how many stand for text after the cursor. */
  readonly suffixTokens: number;
  /** What the user should know of it. */
  readonly notes: readonly Note[];
}

const system = "You write code inside an editor. Answer with one code block that holds only the code asked for.";

/** Texts that are joined may have a few more tokens than they have apart. */
const joinTokens = 8;

/** Shares of the room that is left for the document; what the text after the place does not need goes to that before it. */
const suffixShare = 1 / 4;
const snippetShare = 1 / 4;

/**
 * The conversation that asks for the code, what changes least first: other files, the document around the place, the code
 * to be changed, the instruction.
 * @param room most tokens the prompt may have
 * Throws JakiroError("usage") where selection and instruction alone need more.
 */
export function instructionPrompt(
  request: Instruction,
  chat: ChatTemplate,
  tokenizer: Tokenizer,
  room: number,
): InstructionPrompt {
  const count = (text: string) => tokenizer.encode(text).length;
  const length = (surroundings: Surroundings) => chat.encode({ system, user: userText(request, surroundings) }).length;
  const bare = length({ snippets: "", above: "", below: "" });
  const available = room - length({ snippets: "", above: "_", below: "_" }) - joinTokens;
  if (bare > room) {
    throw new JakiroError(
      "usage",
      `Selection and instruction take ${bare} tokens, but only ${room} fit; select less, or allow fewer tokens.`,
    );
  }
  const snippets = snippetText(request.snippets ?? [], Math.floor(available * snippetShare), tokenizer);
  const around = Math.max(0, available - count(snippets));
  const suffix = headWindow(request.suffix, Math.floor(around * suffixShare), tokenizer);
  const prefixText = request.prefix.replace(/^\uFEFF/, "");
  const prefix = tailWindow(prefixText, around - suffix.tokens.length, tokenizer);
  const above = prefixText.slice(prefix.edge);
  const below = request.suffix.slice(0, suffix.edge);
  const tokens = chat.encode({ system, user: userText(request, { snippets, above, below }) });
  const cut = prefix.edge > 0 || suffix.edge < request.suffix.length;
  return {
    tokens,
    suffixTokens: suffix.tokens.length,
    notes: cut ? ["cutAround"] : [],
  };
}

interface Surroundings {
  readonly snippets: string;
  readonly above: string;
  readonly below: string;
}

function userText(request: Instruction, { snippets, above, below }: Surroundings): string {
  const { languageId, instruction, path } = request;
  const fence = fenceFor(above + below + request.selection);
  const block = (title: string, code: string) =>
    isBlank(code) ? "" : `${title}\n${fence}${languageId ?? ""}\n${withoutBlankEnds(code)}\n${fence}\n\n`;
  const asked = instruction.trim().replace(/\s+/g, " ");
  const file = path === undefined ? "the file" : path;
  const context = snippets + block(`Code above, in ${file}:`, above) + block("Code below:", below);
  const language = languageId === undefined ? "" : `${languageId} `;
  const place = context === "" ? `for ${file}` : "that belongs there";
  const text = isBlank(request.selection)
    ? `${context}Write the ${language}code ${place}: ${asked}`
    : `${context}${block("Rewrite this code:", request.selection)}${asked}`;
  return normalizeLineEnds(text);
}

function snippetText(snippets: readonly Snippet[], budget: number, tokenizer: Tokenizer): string {
  let left = budget;
  let text = "";
  for (const { path, text: body } of snippets) {
    const fence = fenceFor(body);
    const part = normalizeLineEnds(`${path}:\n${fence}\n${withoutBlankEnds(body)}\n${fence}\n\n`);
    const tokens = tokenizer.encode(part).length;
    if (tokens > left) continue;
    left -= tokens;
    text += part;
  }
  return text;
}

/** Longer than every fence in the text. */
function fenceFor(text: string): string {
  const runs = text.match(/`{3,}/g) ?? [];
  return "`".repeat(Math.max(3, ...runs.map((run) => run.length + 1)));
}

function withoutBlankEnds(text: string): string {
  return text.replace(/^(?:[^\S\n]*\n)+/, "").trimEnd();
}
