import type { SequenceStart } from "./roundLayout.ts";

/** A sequence between rounds. */
export interface ReferenceState {
  readonly length: number;
  readonly root: number;
  readonly emitted: number;
  readonly finishReason?: "end" | "length" | "context";
}

export interface ReferenceStep extends ReferenceState {
  readonly path: number[];
  readonly tokens: number[];
}

/** One verified tree walked from the root: descend while a child has the chosen token, the text goes on and there is room. */
export function accept(
  rows: { readonly tokens: ArrayLike<number>; readonly parents: ArrayLike<number> },
  chosen: ArrayLike<number>,
  { capacity, tokenLimit, endTokens }: SequenceStart,
  { length, emitted }: ReferenceState,
): ReferenceStep {
  const path = [0];
  const most = Math.min(tokenLimit - emitted, capacity - length - 1);
  for (;;) {
    const token = chosen[path.at(-1)!]!;
    const children = Array.from(rows.tokens, (_, row) => row).filter((row) => rows.parents[row] === path.at(-1));
    const next = children.find((row) => rows.tokens[row] === token);
    if (endTokens.has(token) || path.length >= most || next === undefined) break;
    path.push(next);
  }
  const tokens = path.map((row) => chosen[row]!);
  const state = { length: length + path.length, root: tokens.at(-1)!, emitted: emitted + path.length };
  const reason = endTokens.has(state.root)
    ? "end"
    : state.emitted >= tokenLimit
      ? "length"
      : state.length + 1 >= capacity
        ? "context"
        : undefined;
  return { ...state, ...(reason === undefined ? {} : { finishReason: reason }), path, tokens };
}

/** Keys and values after the accepted rows have moved: [layers * 2, slots, width], a copy made row by row. */
export function moveAccepted(
  cache: Uint32Array,
  { slots, width }: { readonly slots: number; readonly width: number },
  moves: readonly { readonly base: number; readonly path: readonly number[] }[],
): Uint32Array {
  const moved = cache.slice();
  for (let plane = 0; plane < cache.length; plane += slots * width) {
    for (const { base, path } of moves) {
      for (const [i, row] of path.entries()) {
        const source = plane + (base + row) * width;
        moved.set(cache.subarray(source, source + width), plane + (base + i) * width);
      }
    }
  }
  return moved;
}
