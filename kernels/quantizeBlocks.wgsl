// Quantizes values of a tile for linearInt8Blocks: 32 of a row share a power of two as scale. Beside blockSteps.wgsl, in kernels with
// ROWS, COLUMNS and SLICES, a `tileValue` and an `output` of array<u32>.

// The first `lanes` values of every row of the tile, which are those from `first` on of output rows with so many blocks; a thread takes
// a row and a block.
fn quantizeTile(thread: u32, lanes: u32, firstRow: u32, first: u32, blocks: u32) {
  for (var task = thread; task < ROWS * (lanes / 32u); task += COLUMNS * SLICES) {
    let row = task % ROWS;
    let firstLane = task / ROWS * 32u;
    let block = (first + firstLane) / 32u;
    if (block < blocks) {
      quantizeBlock(row, firstLane, (firstRow + row) * blockStride(blocks), blocks, block);
    }
  }
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
