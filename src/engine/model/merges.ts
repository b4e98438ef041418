import type { Merge } from "./bytePairMerger.ts";

type IdOf = (entry: string) => number | undefined;

/** Merges in file order, the first to merge first; a pair whose parts or result the vocabulary lacks is left out. */
export function listedMerges(pairs: Iterable<readonly [string, string]>, id: IdOf): Merge[] {
  const merges: Merge[] = [];
  let rank = 0;
  for (const [leftEntry, rightEntry] of pairs) {
    const left = id(leftEntry);
    const right = id(rightEntry);
    const result = id(leftEntry + rightEntry);
    if (left !== undefined && right !== undefined && result !== undefined) merges.push({ left, right, result, rank });
    rank++;
  }
  return merges;
}

/** "left right", as GGUF files and older tokenizer.json files write a merge. */
export function* spacedPairs(lines: Iterable<string>): Generator<[string, string]> {
  for (const line of lines) {
    const space = line.indexOf(" ", 1);
    yield [line.slice(0, space), line.slice(space + 1)];
  }
}

/**
 * SentencePiece's merges: any two pieces whose concatenation is a piece, the result with the higher score first. All ways
 * to split one piece share a rank, so that the leftmost goes first, as in SentencePiece (Kudo and Richardson, 2018).
 */
export function scoredMerges(pieces: readonly { readonly entry: string; readonly score: number }[], id: IdOf): Merge[] {
  const merges: Merge[] = [];
  const byScore = [...pieces].sort((a, b) => b.score - a.score);
  for (const [rank, { entry }] of byScore.entries()) {
    const result = id(entry);
    if (result === undefined) continue;
    for (const split of splitPoints(entry)) {
      const left = id(entry.slice(0, split));
      const right = id(entry.slice(split));
      if (left !== undefined && right !== undefined) merges.push({ left, right, result, rank });
    }
  }
  return merges;
}

/** UTF-16 indices between the entry's characters. */
function* splitPoints(entry: string): Generator<number> {
  let at = 0;
  for (const character of entry) {
    if (at > 0) yield at;
    at += character.length;
  }
}
