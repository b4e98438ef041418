import { greedy } from "../../src/engine/decoding/sampling.ts";
import type { RoundPlan } from "../../src/engine/gpu/roundKernels.ts";
import type { RoundShape, SequenceStart } from "../../src/engine/gpu/roundLayout.ts";

/** A sequence with regions of its own and nothing in its way. */
export function startOf(sequence: number, more: Partial<SequenceStart> = {}): SequenceStart {
  return {
    region: 1000 * sequence + 8,
    capacity: 900,
    headRegion: 2000 * sequence + 24,
    nodes: 1_000,
    tokenLimit: 500,
    sampling: greedy,
    endTokens: new Set<number>(),
    length: 10,
    root: 1,
    ...more,
  };
}

/** A round with a small vocabulary and a small cache. */
export function planOf(shape: RoundShape, more: Partial<RoundPlan> = {}): RoundPlan {
  const cache = { layers: 1, slots: 64, width: 1 };
  return { shape, vocabulary: 50, draftVocabulary: 40, parallel: shape.branches === 1, cache, ...more };
}
