// Shared declarations, put before kernels that rank floats by the order of their bits.

// Larger floats have larger keys, -0 and 0 the same one; NaN has key 0, below every number.
fn orderKey(bits: u32) -> u32 {
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return 0u;
  }
  if ((bits & 0x7fffffffu) == 0u) {
    return 0x80000000u;
  }
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

// The float that a key stands for.
fn orderedValue(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, key >= 0x80000000u));
}

// Key of -infinity.
const lowestKey = 0x007fffffu;

// Whether one entry of a ranking comes before another: larger keys first, ties to the smaller id.
fn precedes(key: u32, id: u32, otherKey: u32, otherId: u32) -> bool {
  return key > otherKey || (key == otherKey && id < otherId);
}
