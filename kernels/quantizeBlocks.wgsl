// Quantizes values of a tile for linearInt8Blocks: 32 of a row share a power of two as scale. Beside blockSteps.wgsl, in kernels with
// a `tileValue` and an `output` of array<u32>.

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
