// Weights and sums of the draft head's products whose input rows lie in several places: the text before this one finds them, by
// `inputQuad`, `inputScale` and `rowFactor`. Input and weights are int8, 32 inputs sharing a power of two as scale, or float32.
//
// weights  QUANTIZE 1: [INPUTS / 4, OUTPUTS] u32 of four int8 steps along the inputs; QUANTIZE 0: [INPUTS, OUTPUTS] float32
// columns  [OUTPUTS] (value of one step, unused where weights are float32; bias)
// Reference: product in src/engine/gpu/reference.ts
//
// PARAMETER INPUTS: u32    a multiple of 32
// PARAMETER QUANTIZE: u32

@group(0) @binding(1) var<storage, read> weights: array<u32>;
@group(0) @binding(2) var<storage, read> columns: array<vec2<f32>>;

alias Sum = f32;

const steps = QUANTIZE == 1u;
// Groups of four words that hold 32 inputs: two of int8 steps, eight of float32.
const quads = select(8u, 2u, steps);

fn partialSums(column: u32, firstRow: u32, slice: u32) -> array<Sum, ROWS> {
  var sums = array<Sum, ROWS>();
  for (var block = slice; block < INPUTS / 32u; block += SLICES) {
    var w = array<vec4<u32>, quads>();
    for (var i = 0u; i < quads; i++) {
      let at = (block * quads + i) * 4u * OUTPUTS + column;
      w[i] = vec4(weights[at], weights[at + OUTPUTS], weights[at + 2u * OUTPUTS], weights[at + 3u * OUTPUTS]);
    }
    for (var row = 0u; row < ROWS; row++) {
      sums[row] = withBlock(sums[row], firstRow + row, block, w);
    }
  }
  return sums;
}

fn withBlock(before: f32, row: u32, block: u32, w: array<vec4<u32>, quads>) -> f32 {
  var sum = before;
  if (steps) {
    var exact = 0;
    for (var i = 0u; i < quads; i++) {
      let a = inputQuad(row, block, i);
      exact += dot4I8Packed(a.x, w[i].x) + dot4I8Packed(a.y, w[i].y) + dot4I8Packed(a.z, w[i].z) + dot4I8Packed(a.w, w[i].w);
    }
    return fma(f32(exact), inputScale(row, block), sum);
  }
  for (var i = 0u; i < quads; i++) {
    let a = bitcast<vec4<f32>>(inputQuad(row, block, i));
    let v = bitcast<vec4<f32>>(w[i]);
    sum = fma(a.w, v.w, fma(a.z, v.z, fma(a.y, v.y, fma(a.x, v.x, sum))));
  }
  return sum;
}

fn scaled(sum: Sum, row: u32, column: u32) -> f32 {
  return sum * select(1.0, columns[column].x, steps) * rowFactor(row);
}

fn bias(column: u32) -> f32 {
  return columns[column].y;
}
