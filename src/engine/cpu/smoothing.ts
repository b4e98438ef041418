import type { ModelConfig } from "../model/checkpoint.ts";
import type { LayerWeights } from "./layerWeights.ts";
import type { DenseMatrix } from "./packMatrix.ts";

/**
 * Activation smoothing (SmoothQuant, arXiv 2211.10438, equation 4): divisors that move a part of the activations' outliers into
 * the weights, so that both survive eight bits.
 */
export interface LayerSmoothing {
  readonly qkv: Float32Array; // [hidden]
  readonly o: Float32Array; // [kvHeads * headDim], shared over the query heads of a group
  readonly gateUp: Float32Array; // [hidden]
  readonly down: Float32Array; // [intermediate]
}

export interface Smoothing {
  readonly layers: readonly LayerSmoothing[];
  readonly lmHead: Float32Array; // [hidden]
}

/** Largest magnitudes that calibration saw at the inputs of a layer's linear layers. */
export interface LayerRanges {
  readonly qkv: Float32Array; // [hidden]
  readonly o: Float32Array; // [heads * headDim]
  readonly gateUp: Float32Array; // [hidden]
  readonly down: Float32Array; // [intermediate]
}

export function layerSmoothing(config: ModelConfig, ranges: LayerRanges, weights: LayerWeights): LayerSmoothing {
  const { q, k, v, o, gate, up, down } = weights.linear;
  return {
    qkv: divisors(ranges.qkv, columnMaxima([q, k, v])),
    o: divisors(maximumOverGroup(config, ranges.o), maximumOverGroup(config, columnMaxima([o]))),
    gateUp: divisors(ranges.gateUp, columnMaxima([gate, up])),
    down: divisors(ranges.down, columnMaxima([down])),
  };
}

/** sqrt(activation / weight) per channel: SmoothQuant's alpha of 0.5; channels that never fire stay as they are. */
export function divisors(activations: Float32Array, weights: Float32Array): Float32Array {
  return activations.map((activation, i) => {
    const weight = weights[i]!;
    return activation > 0 && weight > 0 ? Math.sqrt(activation / weight) : 1;
  });
}

/** Largest magnitude in each column over matrices of the same width; `into` carries on from earlier rows. */
export function columnMaxima(matrices: readonly DenseMatrix[], into?: Float32Array): Float32Array {
  const columns = matrices[0]!.inputs;
  const maxima = into ?? new Float32Array(columns);
  for (const { values, outputs } of matrices) {
    for (let row = 0; row < outputs; row++) {
      const start = row * columns;
      for (let column = 0; column < columns; column++) {
        const magnitude = Math.abs(values[start + column]!);
        if (magnitude > maxima[column]!) maxima[column] = magnitude;
      }
    }
  }
  return maxima;
}

/** [heads * headDim] -> [kvHeads * headDim]. */
function maximumOverGroup(config: ModelConfig, perQuery: Float32Array): Float32Array {
  const { heads, kvHeads, headDim } = config;
  const group = heads / kvHeads;
  const maxima = new Float32Array(kvHeads * headDim);
  for (let i = 0; i < perQuery.length; i++) {
    const head = Math.floor(i / headDim);
    const target = Math.floor(head / group) * headDim + (i % headDim);
    maxima[target] = Math.max(maxima[target]!, perQuery[i]!);
  }
  return maxima;
}
