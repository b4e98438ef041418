import { JakiroError } from "../errors.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { arrange, type FimOrder, type FimTemplate } from "./fimTemplates.ts";
import type { Note } from "./notes.ts";
import { packSnippets, type Snippet } from "./snippets.ts";
import { headWindow, tailWindow } from "./textWindow.ts";

export type { Snippet } from "./snippets.ts";

/** In UTF-16 units: about 4,000 tokens of code, which the drafter encodes and indexes in 1.5 ms (Qwen2.5-Coder, 2 AVX2 cores). */
const mostLeftOut = 16_000;

/** In tokens. */
export interface PromptBudget {
  /** The whole prompt, markers included: at most the model's context less the tokens to be generated. */
  readonly total: number;
  /** Text after the cursor. In "psm" order it is read anew after every keystroke, so it follows from the prefill speed. */
  readonly suffix: number;
  readonly snippets: number;
}

export interface PromptRequest {
  /** The document before the cursor, of any length and with any line ends. */
  readonly prefix: string;
  /** The document after the cursor. */
  readonly suffix: string;
  /** Pieces of other files, best first. */
  readonly snippets: readonly Snippet[];
  /** Path of the document relative to the workspace, for models that read paths. */
  readonly path: string | undefined;
  readonly languageId: string | undefined;
  readonly tokenizer: Tokenizer;
  /** From `chooseTemplate`; undefined completes from the prefix alone. */
  readonly template: FimTemplate | undefined;
  readonly budget: PromptBudget;
  readonly order: FimOrder;
}

export interface PackedPrompt {
  readonly tokens: readonly number[];
  /** How many of the tokens stand for text before the cursor, after the cursor, and for other files. */
  readonly prefixTokens: number;
  readonly suffixTokens: number;
  readonly snippetTokens: number;
  /** Text of the document was left out. */
  readonly truncated: boolean;
  /**
   * Text of the request that the prompt may not hold, nearest the cursor last: snippets, then the document above and below
   * what was packed, 16,000 characters of each at most.
   */
  readonly leftOut: readonly string[];
  /** What the user should know of it. */
  readonly notes: readonly Note[];
}

/**
 * Makes a prompt of at most `budget.total` tokens, what changes least first: snippets, then prefix, then suffix (or the
 * suffix before the prefix in "spm" order). The suffix's budget is set aside whole, so that the prefix's window does not move
 * with the text after the cursor; what snippets leave of theirs goes to the prefix.
 *
 * The text before the cursor is encoded as it stands, a word cut in two at the cursor included: infilling models are
 * trained on text that was cut between any two characters. One more typed character changes at most the tokens of
 * the last word.
 *
 * Throws JakiroError("usage") if the budget has no room for the markers and one token.
 */
export function packPrompt(request: PromptRequest): PackedPrompt {
  const { tokenizer, template, budget, snippets } = request;
  const begin = tokenizer.beginToken === undefined ? [] : [tokenizer.beginToken];
  const available = budget.total - begin.length - (template === undefined ? 0 : 3);
  if (available < 1)
    throw new JakiroError("usage", `A prompt of ${budget.total} tokens has no room for any text: allow more tokens.`);

  const suffixBudget = template === undefined ? 0 : Math.min(budget.suffix, available >> 1);
  const snippetBudget = Math.min(budget.snippets, available - suffixBudget);
  const context = packContext(request, snippetBudget);
  const prefixBudget = available - suffixBudget - context.before.length - context.inPrefix.length;

  const documentPrefix = withoutByteOrderMark(request.prefix);
  const prefix = tailWindow(documentPrefix, prefixBudget, tokenizer, context.inPrefix.length > 0);
  const suffix = headWindow(request.suffix, suffixBudget, tokenizer);
  const cutAbove = prefix.edge > 0;
  const cutBelow = suffix.edge < request.suffix.length && template !== undefined;

  const prefixPart = [...context.inPrefix, ...prefix.tokens];
  const parts = template === undefined ? prefixPart : arrange(template, request.order, prefixPart, suffix.tokens);
  return {
    tokens: [...begin, ...context.before, ...parts],
    prefixTokens: prefix.tokens.length,
    suffixTokens: suffix.tokens.length,
    snippetTokens: context.before.length + context.inPrefix.length,
    truncated: cutAbove || cutBelow,
    leftOut: [
      snippets
        .map(({ text }) => text)
        .join("\n")
        .slice(0, mostLeftOut),
      documentPrefix.slice(Math.max(0, prefix.edge - mostLeftOut), prefix.edge),
      request.suffix.slice(suffix.edge, suffix.edge + mostLeftOut),
    ].filter((text) => text !== ""),
    notes: notesOn(template === undefined, cutAbove, cutBelow),
  };
}

interface Context {
  /** Before the infilling markers. */
  readonly before: readonly number[];
  /** Between the prefix marker and the document's text. */
  readonly inPrefix: readonly number[];
}

function packContext({ snippets, template, languageId, path, tokenizer }: PromptRequest, budget: number): Context {
  const form = template?.repository;
  const ownHeader = form === undefined ? [] : tokenizer.encodeContinued(`${path ?? "untitled"}\n`);
  const separator = form === undefined ? [] : [form.separator];
  const left = budget - ownHeader.length - separator.length;
  const { tokens, count } = packSnippets(snippets, form, languageId, left, tokenizer);
  if (count === 0) return { before: [], inPrefix: [] };
  if (form === undefined) return { before: [], inPrefix: tokens };
  return form.kind === "pathBeforeMarkers"
    ? { before: [...tokens, ...separator, ...ownHeader], inPrefix: [] }
    : { before: [...tokens, ...separator], inPrefix: ownHeader };
}

function withoutByteOrderMark(text: string): string {
  return text.startsWith("\uFEFF") ? text.slice(1) : text;
}

function notesOn(withoutTemplate: boolean, cutAbove: boolean, cutBelow: boolean): Note[] {
  const notes: Note[] = withoutTemplate ? ["noInfilling"] : [];
  if (cutAbove || cutBelow) notes.push(cutAbove && cutBelow ? "cutAround" : cutAbove ? "cutAbove" : "cutBelow");
  return notes;
}
