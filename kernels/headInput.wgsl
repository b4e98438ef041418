// What the draft head reads: each row's embedding beside its feature (jakiro.md section 1), quantized for fc.
//
// rows         the forward's rows: token
// table        embeddings as kernels/embed.wgsl has them
// scales       likewise
// features     [.., WIDTH] float32: the target's, or the head's own of the forward before
// featureRows  [rows] row of the features that each row takes
// factors      [WIDTH] by which features are multiplied, as fc's columns expect
// output       QUANTIZE 1: [rows, 2 * WIDTH inputs] as linearInt8Blocks reads it; QUANTIZE 0: [rows, 2 * WIDTH] float32
// Workgroups: [rows]. Reference: headOutputs in src/engine/gpu/headReference.ts
//
// PARAMETER WIDTH: u32     a multiple of 32 where QUANTIZE is 1
// PARAMETER BLOCKS: u32    1: int8 embeddings, 0: float32
// PARAMETER QUANTIZE: u32

@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;
@group(0) @binding(3) var<storage, read> features: array<f32>;
@group(0) @binding(4) var<storage, read> featureRows: array<u32>;
@group(0) @binding(5) var<storage, read> factors: array<f32>;
@group(0) @binding(6) var<storage, read_write> output: array<u32>;

const threads = 64u;
const embeddingBlocks = (WIDTH + 31u) / 32u;
const blocks = 2u * WIDTH / 32u;

fn valueAt(token: u32, feature: u32, i: u32) -> f32 {
  if (i >= WIDTH) {
    return features[feature * WIDTH + i - WIDTH] * factors[i - WIDTH];
  }
  if (BLOCKS == 1u) {
    let steps = unpack4xI8(table[(token * WIDTH + i) / 4u])[i % 4u];
    return f32(steps) * scales[token * embeddingBlocks + i / 32u];
  }
  return bitcast<f32>(table[token * WIDTH + i]);
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let token = rows[group.x].token;
  let feature = featureRows[group.x];
  if (QUANTIZE == 0u) {
    for (var i = thread; i < 2u * WIDTH; i += threads) {
      output[group.x * 2u * WIDTH + i] = bitcast<u32>(valueAt(token, feature, i));
    }
    return;
  }
  let start = group.x * blockStride(blocks);
  for (var block = thread; block < blocks; block += threads) {
    var largest = 0.0;
    for (var i = 0u; i < 32u; i++) {
      largest = max(largest, abs(valueAt(token, feature, 32u * block + i)));
    }
    let exponent = stepExponent(largest);
    let inverse = bitcast<f32>((254u - exponent) << 23u);
    for (var word = 0u; word < 8u; word++) {
      var steps: vec4<i32>;
      for (var i = 0u; i < 4u; i++) {
        steps[i] = i32(round(valueAt(token, feature, 32u * block + 4u * word + i) * inverse));
      }
      output[start + 8u * block + word] = pack4xI8Clamp(steps);
    }
    output[start + 8u * blocks + block] = exponent << 23u;
  }
}
