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
  const opening = form?.repository === undefined ? [] : [form.repository, ...tokenizer.encode(`${repositoryName}\n`)];
  const layOut = form === undefined ? asComments(languageId, tokenizer) : asFile(form, tokenizer);
  const packed: { path: string; tokens: readonly number[] }[] = [];
  let left = budget - opening.length;
  for (const snippet of snippets) {
    const tokens = layOut(snippet, left);
    if (tokens === undefined) continue;
    packed.push({ path: snippet.path, tokens });
    left -= tokens.length;
  }
  if (packed.length === 0) return { tokens: [], count: 0 };
  packed.sort((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)));
  return { tokens: [...opening, ...packed.flatMap((snippet) => snippet.tokens)], count: packed.length };
}

type Layout = (snippet: Snippet, budget: number) => readonly number[] | undefined;

function asFile(form: RepositoryForm, tokenizer: Tokenizer): Layout {
  return ({ path, text }, budget) => {
    const header = [form.separator, ...tokenizer.encode(`${path}\n`)];
    return withBody(header, `${text.trimEnd()}\n`, budget, tokenizer);
  };
}

function asComments(languageId: string | undefined, tokenizer: Tokenizer): Layout {
  const { open, close } = lineComment(languageId);
  const comment = (line: string) => `${open}${line}`.trimEnd() + close;
  return ({ path, text }, budget) => {
    const header = tokenizer.encode(`${comment(`Path: ${path}`)}\n`);
    const body = text.trimEnd().split(/\r?\n/).map(comment).join("\n");
    return withBody(header, `${body}\n`, budget, tokenizer);
  };
}

function withBody(
  header: readonly number[],
  body: string,
  budget: number,
  tokenizer: Tokenizer,
): readonly number[] | undefined {
  const { tokens, edge } = headWindow(body, budget - header.length, tokenizer);
  const worthwhile = edge === body.length || tokens.length >= leastTokens;
  return tokens.length > 0 && worthwhile ? [...header, ...tokens] : undefined;
}
