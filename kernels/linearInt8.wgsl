// int8 weights with one scale per column, int8 activations with one scale per row: exact sums, in any order.
//
// input    [rows, INPUTS / 16 + 1] vec4<u32>: 16 int8 steps each; the last one's x is the row's largest magnitude (127 steps)
// weights  [INPUTS / 4, OUTPUTS] u32: four int8 steps along the inputs
// columns  [OUTPUTS] (value of one step, bias)
// Reference: product in src/engine/gpu/reference.ts
//
// PARAMETER INPUTS: u32    a multiple of 16

@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> weights: array<u32>;
@group(0) @binding(2) var<storage, read> columns: array<vec2<f32>>;

alias Sum = i32;

const inputStride = INPUTS / 16u + 1u;

fn partialSums(column: u32, firstRow: u32, slice: u32) -> array<Sum, ROWS> {
  var sums = array<Sum, ROWS>();
  for (var step = slice; step < INPUTS / 16u; step += SLICES) {
    let at = 4u * step * OUTPUTS + column;
    let w = vec4(weights[at], weights[at + OUTPUTS], weights[at + 2u * OUTPUTS], weights[at + 3u * OUTPUTS]);
    for (var row = 0u; row < ROWS; row++) {
      let a = input[(firstRow + row) * inputStride + step];
      sums[row] += dot4I8Packed(a.x, w.x) + dot4I8Packed(a.y, w.y) + dot4I8Packed(a.z, w.z) + dot4I8Packed(a.w, w.w);
    }
  }
  return sums;
}

fn scaled(sum: Sum, row: u32, column: u32) -> f32 {
  let largest = bitcast<f32>(input[(row + 1u) * inputStride - 1u].x);
  return f32(sum) * (columns[column].x * (1.0 / 127.0)) * largest;
}

fn bias(column: u32) -> f32 {
  return columns[column].y;
}
