// int8 steps in blocks of 32 as linearInt8Blocks reads them: their places and their scales.

// Words of a row of so many blocks: their steps, then their scales, in whole vec4.
fn blockStride(blocks: u32) -> u32 {
  return blocks * 8u + (blocks + 3u) / 4u * 4u;
}

// The exponent bits of the smallest power of two by which nothing exceeds 127 steps.
fn stepExponent(largest: f32) -> u32 {
  let bits = bitcast<u32>(largest * (1.0 / 127.0));
  return clamp((bits >> 23u) + select(0u, 1u, (bits & 0x7fffffu) != 0u), 1u, 253u);
}
