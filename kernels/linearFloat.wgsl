// float32 or float16 weights, float32 activations. A weight in float16 is multiplied as the float32 that it stands for; core WGSL
// unpacks it, so that no device needs shader-f16.
//
// input    [rows, INPUTS / 4] vec4<u32>: bits of four float32
// weights  HALVES 0: [INPUTS, OUTPUTS] bits of float32; HALVES 1: [INPUTS / 2, OUTPUTS] two float16 along the inputs, the first low
// columns  [OUTPUTS] (unused, bias)
// Reference: product in src/engine/gpu/reference.ts
//
// PARAMETER INPUTS: u32    a multiple of 4
// PARAMETER HALVES: u32

@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> weights: array<u32>;
@group(0) @binding(2) var<storage, read> columns: array<vec2<f32>>;

alias Sum = f32;

fn partialSums(column: u32, firstRow: u32, slice: u32) -> array<Sum, ROWS> {
  var sums = array<Sum, ROWS>();
  for (var step = slice; step < INPUTS / 4u; step += SLICES) {
    let w = weightQuad(step, column);
    for (var row = 0u; row < ROWS; row++) {
      let a = bitcast<vec4<f32>>(input[(firstRow + row) * (INPUTS / 4u) + step]);
      sums[row] = fma(a.w, w.w, fma(a.z, w.z, fma(a.y, w.y, fma(a.x, w.x, sums[row]))));
    }
  }
  return sums;
}

/// Weights of four inputs.
fn weightQuad(step: u32, column: u32) -> vec4<f32> {
  if (HALVES == 1u) {
    let at = 2u * step * OUTPUTS + column;
    return vec4(unpack2x16float(weights[at]), unpack2x16float(weights[at + OUTPUTS]));
  }
  let at = 4u * step * OUTPUTS + column;
  return bitcast<vec4<f32>>(
    vec4(weights[at], weights[at + OUTPUTS], weights[at + 2u * OUTPUTS], weights[at + 3u * OUTPUTS])
  );
}

fn scaled(sum: Sum, row: u32, column: u32) -> f32 {
  return sum;
}

fn bias(column: u32) -> f32 {
  return columns[column].y;
}
