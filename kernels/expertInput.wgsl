// Input of the experts' gates and ups: the rows that need outputs, normalized. Their gains are in it already, their factors are
// applied to the sums.
//
// input    [.., INPUTS inputs]: QUANTIZE 1 as linearInt8Blocks reads it, QUANTIZE 0 float32
// picks    [COUNT] row of the input that each row is made of
// parts    of linearNormed
// Reference: headOutputs in src/engine/gpu/headReference.ts
//
// PARAMETER COUNT: u32     rows that need outputs

@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> picks: array<u32>;
@group(0) @binding(5) var<storage, read> parts: array<f32>;

const inputBlocks = INPUTS / 32u;
const inputStride = inputBlocks * quads + select(0u, (inputBlocks + 3u) / 4u, steps);

fn inputQuad(row: u32, block: u32, i: u32) -> vec4<u32> {
  return input[picked(row) * inputStride + block * quads + i];
}

fn inputScale(row: u32, block: u32) -> f32 {
  return bitcast<f32>(input[picked(row) * inputStride + inputBlocks * quads + block / 4u][block % 4u]);
}

fn rowFactor(row: u32) -> f32 {
  return normFactor(partSum(picked(row), 0u));
}

// Rows that only fill up a tile do what the last one does.
fn picked(row: u32) -> u32 {
  return picks[min(row, COUNT - 1u)];
}
