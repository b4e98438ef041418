// Input of the draft head's fc, read where it lies: each row's embedding, then its feature (jakiro.md section 1).
//
// features  [.., INPUTS / 2 inputs]: the target's, or the head's own of the forward before; QUANTIZE 1: as linearInt8Blocks reads
//           them, QUANTIZE 0: float32
// rows      the forward's rows: token, and as parent the row of `features` that each carries on
// table     embeddings as kernels/embed.wgsl has them: BLOCKS 1 where QUANTIZE is 1
// scales    likewise
// Reference: headOutputs in src/engine/gpu/headReference.ts
//
// PARAMETER FEATURE_SCALE: f32   power of two by which the steps of features are too large for fc's columns

@group(0) @binding(0) var<storage, read> features: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> rows: array<Row>;
@group(0) @binding(6) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read> scales: array<f32>;

// Blocks of 32 inputs of either half.
const halfBlocks = INPUTS / 64u;
const featureStride = halfBlocks * quads + select(0u, (halfBlocks + 3u) / 4u, steps);

fn inputQuad(row: u32, block: u32, i: u32) -> vec4<u32> {
  if (block < halfBlocks) {
    return table[(tokenOf(row) * halfBlocks + block) * quads + i];
  }
  return features[featureOf(row) * featureStride + (block - halfBlocks) * quads + i];
}

fn inputScale(row: u32, block: u32) -> f32 {
  if (block < halfBlocks) {
    return scales[tokenOf(row) * halfBlocks + block];
  }
  let own = block - halfBlocks;
  let quad = features[featureOf(row) * featureStride + halfBlocks * quads + own / 4u];
  return bitcast<f32>(quad[own % 4u]) * FEATURE_SCALE;
}

fn rowFactor(row: u32) -> f32 {
  return 1.0;
}

// Rows that only fill up a tile may name a token or a feature that does not exist.
fn tokenOf(row: u32) -> u32 {
  return select(rows[row].token, 0u, rows[row].slot == noSlot);
}

fn featureOf(row: u32) -> u32 {
  return select(u32(rows[row].parent), 0u, rows[row].slot == noSlot);
}
