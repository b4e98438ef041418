export interface ReferenceCandidates {
  readonly tokens: number[];
  readonly logProbabilities: number[];
}

/** The `count` most probable draft ids of a row as target ids, by sorting everything in float64. */
export function draftTopK(logits: Float32Array, count: number, targets: Uint32Array): ReferenceCandidates {
  const ids = [...logits.keys()].filter((id) => !Number.isNaN(logits[id]));
  ids.sort((a, b) => (logits[a] === logits[b] ? a - b : logits[b]! - logits[a]!));
  const largest = logits[ids[0] ?? 0] ?? 0;
  const total = ids.reduce((sum, id) => sum + Math.exp(logits[id]! - largest), 0);
  const best = ids.slice(0, count);
  return {
    tokens: best.map((id) => targets[id]!),
    logProbabilities: best.map((id) => logits[id]! - largest - Math.log(total)),
  };
}
