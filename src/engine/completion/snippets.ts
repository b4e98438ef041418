import type { Tokenizer } from "../model/tokenizer.ts";
import type { RepositoryForm } from "./fimTemplates.ts";
import { lineComment } from "./languages.ts";
import { headWindow } from "./textWindow.ts";

/** A piece of another file that may help. */
export interface Snippet {
  /** As the model is to read it: relative to the workspace, with "/". */
  readonly path: string;
  readonly text: string;
}

export interface PackedSnippets {
  /** What comes before the infilling markers, or before the prefix for a model without a repository form. */
  readonly tokens: readonly number[];
  /** Snippets that the budget had room for, wholly or in part. */
  readonly count: number;
}

/** Less of a snippet than this many tokens is not worth its header. */
const leastTokens = 16;
/** Stands where the model expects the repository's name, which nobody here knows. */
const repositoryName = "project";

/**
 * Lays out as many snippets, best first, as fit into the budget: in the form the model was trained on, else as comments in
 * the language of the file that is completed. Chosen by rank but placed by path, so that a mere change of rank leaves the
 * prompt, and with it the KV cache, as it was.
 */
export function packSnippets(
  snippets: readonly Snippet[],
  form: RepositoryForm | undefined,
  languageId: string | undefined,
  budget: number,
  tokenizer: Tokenizer,
): PackedSnippets {
  const opening =
    form?.repository === undefined ? [] : [form.repository, ...tokenizer.encodeContinued(`${repositoryName}\n`)];
  const layOut = form === undefined ? asComments(languageId) : asFile;
  const marks = form === undefined ? [] : [form.separator];
  const packed: { path: string; header: string; tokens: readonly number[]; body: readonly number[] }[] = [];
  // Without marks the first header begins a text, which may take a token more.
  let left = budget - opening.length - (form === undefined ? 1 : 0);
  for (const snippet of snippets) {
    const { header, body } = layOut(snippet);
    const tokens = [...marks, ...tokenizer.encodeContinued(header)];
    const fitting = fittingBody(body, left - tokens.length, tokenizer);
    if (fitting === undefined) continue;
    packed.push({ path: snippet.path, header, tokens, body: fitting });
    left -= tokens.length + fitting.length;
  }
  if (packed.length === 0) return { tokens: [], count: 0 };
  packed.sort((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)));
  if (form === undefined) packed[0]!.tokens = tokenizer.encode(packed[0]!.header);
  return { tokens: [...opening, ...packed.flatMap(({ tokens, body }) => [...tokens, ...body])], count: packed.length };
}

/** A snippet as text: where it comes from, then what it is. */
interface LaidOut {
  readonly header: string;
  readonly body: string;
}

function asFile({ path, text }: Snippet): LaidOut {
  return { header: `${path}\n`, body: `${text.trimEnd()}\n` };
}

function asComments(languageId: string | undefined): (snippet: Snippet) => LaidOut {
  const { open, close } = lineComment(languageId);
  const comment = (line: string) => `${open}${line}`.trimEnd() + close;
  return ({ path, text }) => {
    const body = text.trimEnd().split(/\r?\n/).map(comment).join("\n");
    return { header: `${comment(`Path: ${path}`)}\n`, body: `${body}\n` };
  };
}

function fittingBody(body: string, budget: number, tokenizer: Tokenizer): readonly number[] | undefined {
  const { tokens, edge } = headWindow(body, budget, tokenizer);
  const worthwhile = edge === body.length || tokens.length >= leastTokens;
  return tokens.length > 0 && worthwhile ? tokens : undefined;
}
