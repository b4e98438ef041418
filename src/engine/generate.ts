import {
  type CompletionRequest,
  type CompletionResult,
  completeDocument,
  patientSuffixTokens,
  promptRoom,
} from "./complete.ts";
import { AnswerText } from "./completion/answerText.ts";
import { fitIndentation } from "./completion/fitIndentation.ts";
import { type CodePlace, insertionAt } from "./completion/insertion.ts";
import { type Instruction, type InstructionPrompt, instructionPrompt } from "./completion/instructionPrompt.ts";
import { lineComment } from "./completion/languages.ts";
import { isBlank } from "./completion/lines.ts";
import type { Note } from "./completion/notes.ts";
import { packPrompt } from "./completion/prompt.ts";
import type { DecodingSession } from "./decodingSession.ts";
import type { Engine } from "./engine.ts";
import { chatTemplateOf } from "./model/chatTemplate.ts";

/** Code asked for in words, to stand at a place of a document or instead of a part of it. */
export interface GenerationRequest
  extends Instruction,
    Omit<CompletionRequest, keyof Instruction | "raw" | "suffixTokens"> {}

/** `text` is what replaces the selection, in the document's line ends and indentation. */
export interface GenerationResult extends Omit<CompletionResult, "rule"> {
  /** It ended because no more tokens were allowed: its end is missing. */
  readonly cut: boolean;
}

type Model = Pick<Engine, "tokenizer" | "template" | "suffixTokens">;
type Session = Pick<DecodingSession, "capacity" | "decode">;

/**
 * Generates code from an instruction: prompt in the model's chat format, decoding to the end of its turn or of the code
 * block it writes, extraction of the code, fitting into the document. Throws JakiroError("usage") for what does not fit.
 */
export async function generateCode(
  engine: Model,
  session: Session,
  request: GenerationRequest,
): Promise<GenerationResult> {
  const chat = chatTemplateOf(engine.tokenizer);
  if (chat === undefined) return await continueComment(engine, session, request);
  const { tokenizer } = engine;
  const prompt = instructionPrompt(request, chat, tokenizer, promptRoom(session.capacity, request.maxTokens));
  const insertion = insertionAt(request);
  const answer = new AnswerText(tokenizer, request, (code) => fitIndentation(code, insertion));
  const decoded = await session.decode({
    prompt: prompt.tokens,
    maxTokens: request.maxTokens,
    sampling: request.sampling,
    endTokens: tokenizer.endTokens,
    ...(request.signal === undefined ? {} : { signal: request.signal }),
    ...(request.onPrefill === undefined ? {} : { onPrefill: request.onPrefill }),
    onTokens(tokens) {
      const end = answer.push(tokens);
      request.onText?.(answer.current);
      return end;
    },
  });
  return {
    text: answer.current,
    tokens: decoded.tokens,
    finishReason: decoded.finishReason,
    cut: isCut(decoded),
    promptTokens: prompt.tokens.length,
    suffixTokens: prompt.suffixTokens,
    cachedTokens: decoded.cachedTokens,
    statistics: decoded.statistics,
    notes: prompt.notes,
  };
}

/** The prompt of `generateCode` alone. */
export function generationPrompt(
  engine: Omit<Model, "suffixTokens">,
  request: Instruction,
  room: number,
): InstructionPrompt {
  const chat = chatTemplateOf(engine.tokenizer);
  if (chat !== undefined) return instructionPrompt(request, chat, engine.tokenizer, room);
  const { prefix, suffix } = commented(request);
  const { tokenizer, template } = engine;
  const { languageId, path } = request;
  const packed = packPrompt({
    prefix,
    suffix,
    snippets: request.snippets ?? [],
    path,
    languageId,
    tokenizer,
    template,
    budget: { total: room, suffix: room >> 2, snippets: room >> 2 },
    order: "psm",
  });
  return { tokens: packed.tokens, suffixTokens: packed.suffixTokens, notes: ["noChat"] };
}

async function continueComment(engine: Model, session: Session, request: GenerationRequest): Promise<GenerationResult> {
  const insertion = insertionAt(request);
  const { prefix, suffix, indent } = commented(request);
  const inserted = (code: string) => fitIndentation(indent + code, insertion);
  const { onText } = request;
  const result = await completeDocument(engine, session, {
    ...request,
    prefix,
    suffix,
    suffixTokens: patientSuffixTokens,
    ...(onText === undefined ? {} : { onText: (text) => onText(inserted(text)) }),
  });
  const notes: readonly Note[] = ["noChat", ...result.notes];
  return { ...result, text: inserted(result.text), cut: isCut(result), notes };
}

/** The document with the instruction as a comment before the cursor, below the code that it is about. */
function commented(request: CodePlace & { readonly instruction: string }): {
  prefix: string;
  suffix: string;
  indent: string;
} {
  const { columns, indentUnit = " ", eol } = insertionAt(request);
  const indent = indentUnit.startsWith("\t") ? "\t".repeat(columns >> 2) : " ".repeat(columns);
  const { open, close } = lineComment(request.languageId);
  const written = isBlank(request.selection) ? request.prefix : request.prefix + request.selection;
  const above = written.trimEnd() === "" ? "" : `${written.trimEnd()}${eol}${eol}`;
  const comment = `${indent}${open}${request.instruction.trim().replace(/\s+/g, " ")}${close}${eol}`;
  return { prefix: above + comment + indent, suffix: eol + request.suffix, indent };
}

function isCut({ finishReason }: Pick<CompletionResult, "finishReason">): boolean {
  return finishReason === "length" || finishReason === "context";
}
