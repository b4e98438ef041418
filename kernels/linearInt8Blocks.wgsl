// int8 weights with one scale per column, int8 activations with a power of two as scale of every 32 inputs. A block's sum is exact,
// and so is its product with the scale: fused or not, the additions give the same bits.
//
// input    [rows, INPUTS / 16 + INPUTS / 128 rounded up] vec4<u32>: 16 int8 steps each, then the blocks' scales as float32
// weights  [INPUTS / 4, OUTPUTS] u32: four int8 steps along the inputs
// columns  [OUTPUTS] (value of one step, bias)
// Reference: product in src/engine/gpu/reference.ts
//
// PARAMETER INPUTS: u32    a multiple of 32

@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> weights: array<u32>;
@group(0) @binding(2) var<storage, read> columns: array<vec2<f32>>;

alias Sum = f32;

const steps = INPUTS / 16u;
const inputStride = steps + (INPUTS / 32u + 3u) / 4u;

fn partialSums(column: u32, firstRow: u32, slice: u32) -> array<Sum, ROWS> {
  var sums = array<Sum, ROWS>();
  for (var block = slice; block < INPUTS / 32u; block += SLICES) {
    let at = 8u * block * OUTPUTS + column;
    let v = vec4(weights[at], weights[at + OUTPUTS], weights[at + 2u * OUTPUTS], weights[at + 3u * OUTPUTS]);
    let next = at + 4u * OUTPUTS;
    let w = vec4(weights[next], weights[next + OUTPUTS], weights[next + 2u * OUTPUTS], weights[next + 3u * OUTPUTS]);
    for (var row = 0u; row < ROWS; row++) {
      let start = (firstRow + row) * inputStride;
      let a = input[start + 2u * block];
      let b = input[start + 2u * block + 1u];
      let sum = dot4I8Packed(a.x, v.x) + dot4I8Packed(a.y, v.y) + dot4I8Packed(a.z, v.z) + dot4I8Packed(a.w, v.w)
        + dot4I8Packed(b.x, w.x) + dot4I8Packed(b.y, w.y) + dot4I8Packed(b.z, w.z) + dot4I8Packed(b.w, w.w);
      let scale = bitcast<f32>(input[start + steps + block / 4u][block % 4u]);
      sums[row] = fma(f32(sum), scale, sums[row]);
    }
  }
  return sums;
}

fn scaled(sum: Sum, row: u32, column: u32) -> f32 {
  return sum * columns[column].x;
}

fn bias(column: u32) -> f32 {
  return columns[column].y;
}
