// A tile of a product x @ W, for whatever format the weights have: [ROWS, COLUMNS] sums in workgroup memory.
// Every weight is read once for all ROWS rows. The inputs are dealt out to SLICES groups of threads, whose partial sums are
// added in slice order: how a row's sum is formed does not depend on ROWS.
//
// PARAMETER ROWS: u32      rows of a tile; the rows of all buffers are padded to whole tiles
// PARAMETER COLUMNS: u32   columns of a tile, one per thread of a slice
// PARAMETER SLICES: u32    COLUMNS * SLICES threads
// PARAMETER OUTPUTS: u32   columns of W

/// Bits of a sum or, once scaled, of a float32.
var<workgroup> tile: array<array<u32, COLUMNS>, ROWS>;

fn fillTile(column: u32, firstRow: u32, lane: u32, slice: u32) {
  let sums = partialSums(min(column, OUTPUTS - 1u), firstRow, slice);
  for (var turn = 0u; turn < SLICES; turn++) {
    if (turn == slice) {
      for (var row = 0u; row < ROWS; row++) {
        let before = select(bitcast<Sum>(tile[row][lane]), Sum(0), turn == 0u);
        tile[row][lane] = bitcast<u32>(before + sums[row]);
      }
    }
    workgroupBarrier();
  }
  // A value leaves through memory before anything is added to it: no compiler can fuse the two, in one variant and not in another.
  for (var row = slice; row < ROWS; row += SLICES) {
    tile[row][lane] = bitcast<u32>(scaled(bitcast<Sum>(tile[row][lane]), firstRow + row, min(column, OUTPUTS - 1u)));
  }
  workgroupBarrier();
}

fn tileValue(row: u32, lane: u32) -> f32 {
  return bitcast<f32>(tile[row][lane]);
}
