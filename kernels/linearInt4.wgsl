// int4 weights with one scale for 128 inputs of a column, int8 activations with one scale per row or, where BLOCKS is 1, a power
// of two as scale of every 32 inputs. Sums within what shares its scales are exact; blocks are added in an order that SLICES fixes.
//
// input    BLOCKS 0: as linearInt8 reads it; BLOCKS 1: as linearInt8Blocks reads it
// weights  [INPUTS / 128, 17, OUTPUTS] u32: 16 words of eight inputs, then the value of a 16th of a step as float32. A word's low
//          nibbles are inputs 0..3, its high nibbles inputs 4..7, in two's complement: kept in place, they are 16 times the weight
// columns  [OUTPUTS] (unused, bias)
// Reference: product in src/engine/gpu/reference.ts
//
// PARAMETER INPUTS: u32    a multiple of 128
// PARAMETER BLOCKS: u32

@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> weights: array<u32>;
@group(0) @binding(2) var<storage, read> columns: array<vec2<f32>>;

alias Sum = f32;

const steps = INPUTS / 16u;
const inputStride = select(steps + 1u, steps + (INPUTS / 32u + 3u) / 4u, BLOCKS == 1u);
const high = 0xf0f0f0f0u;

fn partialSums(column: u32, firstRow: u32, slice: u32) -> array<Sum, ROWS> {
  var sums: array<Sum, ROWS>;
  for (var block = slice; block < INPUTS / 128u; block += SLICES) {
    let at = 17u * block * OUTPUTS + column;
    let w0 = words(at);
    let w1 = words(at + 4u * OUTPUTS);
    let w2 = words(at + 8u * OUTPUTS);
    let w3 = words(at + 12u * OUTPUTS);
    let scale = bitcast<f32>(weights[at + 16u * OUTPUTS]);
    for (var row = 0u; row < ROWS; row++) {
      let start = (firstRow + row) * inputStride;
      let a = start + 8u * block;
      let parts = vec4(quarter(a, w0), quarter(a + 2u, w1), quarter(a + 4u, w2), quarter(a + 6u, w3));
      var sum: f32;
      if (BLOCKS == 1u) {
        let inputScales = bitcast<vec4<f32>>(input[start + steps + block]);
        let scaledParts = vec4<f32>(parts) * inputScales;
        sum = ((scaledParts.x + scaledParts.y) + scaledParts.z) + scaledParts.w;
      } else {
        sum = f32(parts.x + parts.y + parts.z + parts.w);
      }
      sums[row] = fma(sum, scale, sums[row]);
    }
  }
  return sums;
}

/// Weights of 32 inputs.
fn words(at: u32) -> vec4<u32> {
  return vec4(weights[at], weights[at + OUTPUTS], weights[at + 2u * OUTPUTS], weights[at + 3u * OUTPUTS]);
}

/// Sum over 32 inputs, 16 times too large.
fn quarter(at: u32, w: vec4<u32>) -> i32 {
  let a = input[at];
  let b = input[at + 1u];
  return dot4I8Packed(a.x, (w.x << 4u) & high) + dot4I8Packed(a.y, w.x & high)
    + dot4I8Packed(a.z, (w.y << 4u) & high) + dot4I8Packed(a.w, w.y & high)
    + dot4I8Packed(b.x, (w.z << 4u) & high) + dot4I8Packed(b.y, w.z & high)
    + dot4I8Packed(b.z, (w.w << 4u) & high) + dot4I8Packed(b.w, w.w & high);
}

fn scaled(sum: Sum, row: u32, column: u32) -> f32 {
  if (BLOCKS == 1u) {
    return sum;
  }
  let largest = bitcast<f32>(input[row * inputStride + steps].x);
  return sum * (1.0 / 127.0) * largest;
}

fn bias(column: u32) -> f32 {
  return columns[column].y;
}
