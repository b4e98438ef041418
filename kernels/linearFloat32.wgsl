// float32 weights and activations.
//
// input    [rows, INPUTS / 4] vec4<u32>: bits of four float32
// weights  [INPUTS, OUTPUTS] float32
// columns  [OUTPUTS] (unused, bias)
// Reference: product in src/engine/gpu/reference.ts
//
// PARAMETER INPUTS: u32    a multiple of 4

@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> columns: array<vec2<f32>>;

alias Sum = f32;

fn partialSums(column: u32, firstRow: u32, slice: u32) -> array<Sum, ROWS> {
  var sums = array<Sum, ROWS>();
  for (var step = slice; step < INPUTS / 4u; step += SLICES) {
    let at = 4u * step * OUTPUTS + column;
    let w = vec4(weights[at], weights[at + OUTPUTS], weights[at + 2u * OUTPUTS], weights[at + 3u * OUTPUTS]);
    for (var row = 0u; row < ROWS; row++) {
      let a = bitcast<vec4<f32>>(input[(firstRow + row) * (INPUTS / 4u) + step]);
      sums[row] = fma(a.w, w.w, fma(a.z, w.z, fma(a.y, w.y, fma(a.x, w.x, sums[row]))));
    }
  }
  return sums;
}

fn scaled(sum: Sum, row: u32, column: u32) -> f32 {
  return sum;
}

fn bias(column: u32) -> f32 {
  return columns[column].y;
}
