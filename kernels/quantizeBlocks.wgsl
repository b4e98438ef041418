// Quantizes values of a tile for linearInt8Blocks: 32 of a row share a power of two as scale. Behind linearTile.wgsl, in kernels whose
// `output` is array<u32>.

// Words of a row of so many blocks: their steps, then their scales, in whole vec4.
fn blockStride(blocks: u32) -> u32 {
  return blocks * 8u + (blocks + 3u) / 4u * 4u;
}

// The exponent bits of the smallest power of two by which nothing exceeds 127 steps.
fn stepExponent(largest: f32) -> u32 {
  let bits = bitcast<u32>(largest * (1.0 / 127.0));
  return clamp((bits >> 23u) + select(0u, 1u, (bits & 0x7fffffu) != 0u), 1u, 253u);
}

// Block `block` of the output row at `start`, from 32 values of the tile.
fn quantizeBlock(row: u32, firstLane: u32, start: u32, blocks: u32, block: u32) {
  var largest = 0.0;
  for (var i = 0u; i < 32u; i++) {
    largest = max(largest, abs(tileValue(row, firstLane + i)));
  }
  let exponent = stepExponent(largest);
  let inverse = bitcast<f32>((254u - exponent) << 23u);
  for (var word = 0u; word < 8u; word++) {
    var steps: vec4<i32>;
    for (var i = 0u; i < 4u; i++) {
      steps[i] = i32(round(tileValue(row, firstLane + 4u * word + i) * inverse));
    }
    output[start + 8u * block + word] = pack4xI8Clamp(steps);
  }
  output[start + blocks * 8u + block] = exponent << 23u;
}
