import { languageOf } from "./languageIds.ts";

/** A file with the place in it where the demo completes. */
export interface Example {
  readonly path: string;
  readonly languageId: string | undefined;
  readonly prefix: string;
  readonly suffix: string;
  /** From 0, as in LSP. */
  readonly line: number;
  readonly character: number;
}

/** The cursor's place, as a comment, so that the files stay readable to other tools. */
const mark = /# <cursor>|\/\* <cursor> \*\//;

/** Cuts an example at its mark, which is no part of the text. */
export function exampleIn(file: string, text: string): Example {
  const found = mark.exec(text);
  if (found === null) throw new Error(`The example ${file} has no cursor mark.`);
  const prefix = text.slice(0, found.index);
  const lines = prefix.split("\n");
  return {
    path: `examples/${file}`,
    languageId: languageOf(file),
    prefix,
    suffix: text.slice(found.index + found[0].length),
    line: lines.length - 1,
    character: lines.at(-1)!.length,
  };
}
