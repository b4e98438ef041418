import type { TokenRows } from "./target.ts";

/** What one verification decided. */
export interface AcceptedPath {
  /** Visited rows from the root on: the rows whose KV is to be committed. */
  readonly path: number[];
  /** The token drawn at each visited row; the last one has no KV yet and becomes the next root. */
  readonly tokens: number[];
  /** The last token is an end token. */
  readonly ended: boolean;
}

export interface StopConditions {
  readonly endTokens?: ReadonlySet<number>;
  /** Most tokens that may still be emitted, at least 1. */
  readonly limit?: number;
}

/**
 * Walks a verified tree (jakiro.md section 3): draw one token in the row's own context, descend if a child proposed it,
 * else emit it and stop; a leaf emits its draw. The output has exactly the law of plain decoding whatever the tree is,
 * and equals it token for token where `chooseAt` is the function plain decoding chooses with.
 * @param chooseAt the token after `row` at an absolute position; called for visited rows only
 * @param firstPosition absolute position of the token after the root
 */
export function acceptPath(
  rows: TokenRows,
  chooseAt: (row: number, position: number) => number,
  firstPosition: number,
  { endTokens, limit = Number.POSITIVE_INFINITY }: StopConditions = {},
): AcceptedPath {
  const path: number[] = [];
  const tokens: number[] = [];
  let row = 0;
  for (;;) {
    const token = chooseAt(row, firstPosition + path.length);
    path.push(row);
    tokens.push(token);
    if (endTokens?.has(token)) return { path, tokens, ended: true };
    row = childWith(rows, row, token);
    if (row < 0 || tokens.length >= limit) return { path, tokens, ended: false };
  }
}

/** The row after `parent` that proposes `token`, or -1. */
export function childWith({ tokens, parents }: TokenRows, parent: number, token: number): number {
  for (let row = parent + 1; row < tokens.length; row++) {
    if (parents[row] === parent && tokens[row] === token) return row;
  }
  return -1;
}
