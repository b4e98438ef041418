import type { ExternalData, GraphBuilder, Value } from "./onnxWriter.ts";

/** A weight matrix as it lies in a data file, [inputs, outputs] (transposed against PyTorch, as the kernels want it). */
export type PackedMatrix = { readonly name: string; readonly inputs: number; readonly outputs: number } & (
  | { readonly format: "float32" | "float16"; readonly weights: ExternalData }
  | {
      readonly format: "int8";
      readonly weights: ExternalData;
      /** [outputs] float32: the value of one step of each output's weights. */
      readonly scales: ExternalData;
    }
  | {
      readonly format: "int4";
      /** MatMulNBits layout: [outputs, inputs / block, block / 2], low nibble first, zero point 8. */
      readonly weights: ExternalData;
      /** [outputs * inputs / block] float32. */
      readonly scales: ExternalData;
      readonly block: number;
    }
);

/**
 * x @ W for x [rows, inputs]. A row's result depends on that row alone, whatever the number of rows: int8 activations are
 * scaled by their own row's maximum and summed exactly in int32, int4 always runs an even number of rows. float32 and float16
 * weights are multiplied in float32, whose sums have an order that the runtime is free to choose by the number of rows, and keep no
 * such promise: with AVX-512 no bit was seen to differ, which says nothing of other processors.
 */
export function linear(g: GraphBuilder, x: Value, matrix: PackedMatrix): Value {
  const { product, rowScale } = unscaledLinear(g, x, matrix);
  return rowScale === undefined ? product : g.node("Mul", [product, rowScale]);
}

/** What `linear` multiplies: for whoever needs few of a row's elements, which share one factor >= 0 and keep their order without it. */
export interface UnscaledProduct {
  /** [rows, outputs]. */
  readonly product: Value;
  /** [rows, 1]; undefined for 1. */
  readonly rowScale?: Value;
}

export function unscaledLinear(g: GraphBuilder, x: Value, matrix: PackedMatrix): UnscaledProduct {
  const { name, inputs, outputs } = matrix;
  switch (matrix.format) {
    case "float32": {
      const weights = g.external(`${name}.weight`, "float32", [inputs, outputs], matrix.weights);
      return { product: g.node("MatMul", [x, weights]) };
    }
    case "float16": {
      // The runtime widens constants once, when it loads the graph.
      const weights = g.external(`${name}.weight`, "float16", [inputs, outputs], matrix.weights);
      return { product: g.node("MatMul", [x, g.node("Cast", [weights], { to: 1 })]) };
    }
    case "int4": {
      const blocks = inputs / matrix.block;
      const weights = g.external(`${name}.weight`, "uint8", [outputs, blocks, matrix.block / 2], matrix.weights);
      const scales = g.external(`${name}.scale`, "float32", [outputs * blocks], matrix.scales);
      const attributes = { K: inputs, N: outputs, bits: 4, block_size: matrix.block, accuracy_level: 4 };
      return { product: inPairs(g, x, (even) => g.node("MatMulNBits", [even, weights, scales], attributes)) };
    }
    case "int8": {
      const { steps, maximum } = quantizeRows(g, x);
      const weights = g.external(`${name}.weight`, "int8", [inputs, outputs], matrix.weights);
      const scales = g.external(`${name}.scale`, "float32", [outputs], matrix.scales);
      const zero = g.scalar("uint8", 128);
      const product = g.node("MatMulIntegerToFloat", [steps, weights, g.scalar("float32", unitStep), scales, zero]);
      return { product, rowScale: maximum };
    }
  }
}

/** Largest activation in steps: each row fills -127 .. 127. */
const unitStep = 1 / 127;

/**
 * Applies `work` to x with a row of zeros added where the number of rows is odd. MatMulNBits takes rows two by two and sums a
 * last one without a partner in another order.
 */
function inPairs(g: GraphBuilder, x: Value, work: (even: Value) => Value): Value {
  const rows = g.node("Shape", [x], { start: 0, end: 1 });
  const missing = g.node("Mod", [rows, g.integers([2])]);
  const padding = g.node("Concat", [g.integers([0, 0]), missing, g.integers([0])], { axis: 0 });
  return g.node("Slice", [work(g.node("Pad", [x, padding])), g.integers([0]), rows, g.integers([0])]);
}

/**
 * Symmetric int8 per row, stored as uint8 around 128 [rows, columns], and each row's largest magnitude [rows, 1]. A row of zeros
 * has steps of no meaning (0 / 0) and the magnitude 0, so that its products are 0 all the same.
 */
function quantizeRows(g: GraphBuilder, x: Value): { steps: Value; maximum: Value } {
  const maximum = g.node("ReduceMax", [g.node("Abs", [x]), g.integers([-1])], { keepdims: 1 });
  const unit = g.node("Div", [x, maximum]);
  return { steps: g.node("QuantizeLinear", [unit, g.scalar("float32", unitStep), g.scalar("uint8", 128)]), maximum };
}
