import type { ExternalData, GraphBuilder, Value } from "./onnxWriter.ts";

/** A weight matrix as it lies in a data file, [inputs, outputs] (transposed against PyTorch, as the kernels want it). */
export type PackedMatrix = { readonly name: string; readonly inputs: number; readonly outputs: number } & (
  | { readonly format: "float32"; readonly weights: ExternalData }
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

/** Smallest row maximum that a row is scaled by: keeps rows of zeros from dividing by zero. */
const smallestRowMaximum = 1e-20;

/**
 * x @ W for x [rows, inputs]. A row's result depends on that row alone, whatever the number of rows: int8 activations are
 * scaled by their own row's maximum and summed exactly in int32. int4 holds that from two rows up only (design.md 3.3).
 */
export function linear(g: GraphBuilder, x: Value, matrix: PackedMatrix): Value {
  const { name, inputs, outputs } = matrix;
  switch (matrix.format) {
    case "float32":
      return g.node("MatMul", [x, g.external(`${name}.weight`, "float32", [inputs, outputs], matrix.weights)]);
    case "int4": {
      const blocks = inputs / matrix.block;
      const weights = g.external(`${name}.weight`, "uint8", [outputs, blocks, matrix.block / 2], matrix.weights);
      const scales = g.external(`${name}.scale`, "float32", [outputs * blocks], matrix.scales);
      const attributes = { K: inputs, N: outputs, bits: 4, block_size: matrix.block, accuracy_level: 4 };
      return g.node("MatMulNBits", [x, weights, scales], attributes);
    }
    case "int8": {
      const { quantized, scale } = quantizeRows(g, x);
      const weights = g.external(`${name}.weight`, "int8", [inputs, outputs], matrix.weights);
      const scales = g.external(`${name}.scale`, "float32", [outputs], matrix.scales);
      const one = g.scalar("float32", 1);
      const product = g.node("MatMulIntegerToFloat", [quantized, weights, one, scales, g.scalar("uint8", 128)]);
      return g.node("Mul", [product, scale]);
    }
  }
}

/** Symmetric int8 per row, stored as uint8 around 128: [rows, columns] and each row's step [rows, 1]. */
function quantizeRows(g: GraphBuilder, x: Value): { quantized: Value; scale: Value } {
  const maximum = g.node("ReduceMax", [g.node("Abs", [x]), g.integers([-1])], { keepdims: 1 });
  const positive = g.node("Max", [maximum, g.scalar("float32", smallestRowMaximum)]);
  const scale = g.node("Mul", [positive, g.scalar("float32", 1 / 127)]);
  const steps = g.node("Div", [x, scale]);
  const quantized = g.node("QuantizeLinear", [steps, g.scalar("float32", 1), g.scalar("uint8", 128)]);
  return { quantized, scale };
}
