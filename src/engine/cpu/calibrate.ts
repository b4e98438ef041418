import type { Tensor } from "onnxruntime-node";
import type { Checkpoint } from "../model/checkpoint.ts";
import { KvCache } from "./kvCache.ts";
import { type LayerWeights, packLayer } from "./layerWeights.ts";
import { RotaryTable } from "./rotary.ts";
import { floatTensor, integerTensor, openSession } from "./session.ts";
import type { LayerRanges } from "./smoothing.ts";
import { bodyNames, buildBody } from "./targetGraph.ts";
import { treeBias } from "./treeMask.ts";
import { MemorySink } from "./weightSink.ts";

/**
 * Runs a fixed text through the dequantized model in float32, one layer at a time, so that no more than one layer's weights
 * are ever in memory, and reports what each linear layer sees.
 */
export class Calibration {
  /** Residual stream after the layers run so far, [tokens, hidden]. */
  private hidden: Float32Array;
  private readonly feeds: Record<string, Tensor>;

  constructor(
    private readonly checkpoint: Checkpoint,
    tokens: readonly number[],
    private readonly threads: number,
  ) {
    const { config } = checkpoint;
    const count = tokens.length;
    this.hidden = new Float32Array(count * config.hidden);
    for (const [row, token] of tokens.entries()) {
      checkpoint.readRows("embedding", token, 1, this.hidden.subarray(row * config.hidden, (row + 1) * config.hidden));
    }
    const positions = tokens.map((_, i) => i);
    const { cos, sin } = new RotaryTable(config.rope, config.headDim).rows(positions);
    const empty = new KvCache(1, config.kvHeads, config.headDim);
    const rows = { tokens, parents: positions.map((i) => i - 1) };
    this.feeds = {
      [bodyNames.cos]: floatTensor(cos, [count, config.headDim / 2]),
      [bodyNames.sin]: floatTensor(sin, [count, config.headDim / 2]),
      [bodyNames.rowIndex]: integerTensor(positions, [1, count]),
      [bodyNames.bias]: floatTensor(treeBias(rows, 0, empty.bucket), [count, empty.bucket + count]),
      [bodyNames.split]: integerTensor([empty.bucket, count]),
      [bodyNames.pastKeys(0)]: empty.keys(0),
      [bodyNames.pastValues(0)]: empty.values(0),
    };
  }

  /** Runs the next layer and returns the largest magnitudes at its linear layers' inputs. */
  async advance(weights: LayerWeights): Promise<LayerRanges> {
    const { config } = this.checkpoint;
    const sink = new MemorySink();
    const layer = packLayer(sink, "layer", "float32", config.headDim, weights);
    const points = ["qkv", "o", "gateUp", "down"] as const;
    const graph = buildBody(config, [layer], undefined, (g) => (point, input) => {
      const maximum = g.node("ReduceMax", [g.node("Abs", [input]), g.integers([0])], { keepdims: 0 });
      g.rename(maximum, point);
      g.output(point, "float32", ["channels"]);
    });
    const weightData = { path: MemorySink.location, data: sink.contents() };
    const session = await openSession(graph, { threads: this.threads, weights: weightData });
    try {
      const hidden = floatTensor(this.hidden, [this.hidden.length / config.hidden, config.hidden]);
      const results = await session.run({ ...this.feeds, [bodyNames.hidden]: hidden }, [bodyNames.features, ...points]);
      this.hidden = results[bodyNames.features]!.data as Float32Array;
      const [qkv, o, gateUp, down] = points.map((point) => results[point]!.data as Float32Array);
      return { qkv: qkv!, o: o!, gateUp: gateUp!, down: down! };
    } finally {
      await session.release();
    }
  }

  /** Largest magnitudes of the features that the LM head sees, [hidden]; call after the last layer. */
  featureRanges(outputNorm: Float32Array): Float32Array {
    const { hidden: width, rmsEpsilon } = this.checkpoint.config;
    const maxima = new Float32Array(width);
    for (let start = 0; start < this.hidden.length; start += width) {
      let squares = 0;
      for (let i = 0; i < width; i++) squares += this.hidden[start + i]! ** 2;
      const inverse = 1 / Math.sqrt(squares / width + rmsEpsilon);
      for (let i = 0; i < width; i++) {
        maxima[i] = Math.max(maxima[i]!, Math.abs(this.hidden[start + i]! * inverse * outputNorm[i]!));
      }
    }
    return maxima;
  }
}
