// The draft LM head: of each tile of x @ W + bias, the best draft ids with their logits and what the tile adds to the softmax. The
// logits themselves are not stored; draftTopK merges the tiles.
//
// best     [rows, tiles, BRANCHING] (order key of the logit, draft id), best first, ties to the smaller id; key 0 where a tile has
//          fewer numbers
// masses   [rows, tiles] (largest logit, sum of exp(logit - largest)), (lowest, 0) where nothing is above -infinity
// Workgroups: [tiles, rows / ROWS rounded up] with tiles = OUTPUTS / COLUMNS, rounded up. Reference: bestOfTiles in
// src/engine/gpu/draftReference.ts
//
// PARAMETER BRANCHING: u32   at most 16

@group(0) @binding(3) var<storage, read_write> best: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> masses: array<vec2<f32>>;

const tiles = (OUTPUTS + COLUMNS - 1u) / COLUMNS;
// Rows of each slice.
const turns = (ROWS + SLICES - 1u) / SLICES;
const lowest = -3.0e38;

@compute @workgroup_size(COLUMNS * SLICES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  if (going.x == 0u) {
    return;
  }
  let lane = thread % COLUMNS;
  let slice = thread / COLUMNS;
  let column = group.x * COLUMNS + lane;
  let firstRow = group.y * ROWS;
  fillTile(column, firstRow, lane, slice);
  for (var row = slice; row < ROWS; row += SLICES) {
    var key = 0u;
    if (column < OUTPUTS) {
      key = orderKey(bitcast<u32>(tileValue(row, lane) + bias(column)));
    }
    tile[row][lane] = key;
  }
  workgroupBarrier();

  var largest = array<u32, turns>();
  var share = array<f32, turns>();
  for (var turn = 0u; turn < turns; turn++) {
    let row = turn * SLICES + slice;
    if (row >= ROWS) {
      continue;
    }
    let mine = tile[row][lane];
    var rank = 0u;
    for (var i = 0u; i < COLUMNS; i++) {
      let other = tile[row][i];
      rank += u32(precedes(other, i, mine, lane));
      largest[turn] = max(largest[turn], other);
    }
    if (rank < BRANCHING) {
      best[((firstRow + row) * tiles + group.x) * BRANCHING + rank] = vec2(mine, column);
    }
    if (mine > lowestKey) {
      share[turn] = exp(orderedValue(mine) - orderedValue(largest[turn]));
    }
  }
  workgroupBarrier();
  for (var turn = 0u; turn < turns; turn++) {
    let row = turn * SLICES + slice;
    if (row < ROWS) {
      tile[row][lane] = bitcast<u32>(share[turn]);
    }
  }
  for (var reach = COLUMNS / 2u; reach > 0u; reach /= 2u) {
    workgroupBarrier();
    for (var row = slice; row < ROWS; row += SLICES) {
      if (lane < reach) {
        tile[row][lane] = bitcast<u32>(tileValue(row, lane) + tileValue(row, lane + reach));
      }
    }
  }
  if (lane > 0u) {
    return;
  }
  for (var turn = 0u; turn < turns; turn++) {
    let row = turn * SLICES + slice;
    if (row < ROWS) {
      let mass = vec2(orderedValue(largest[turn]), tileValue(row, 0u));
      masses[(firstRow + row) * tiles + group.x] = select(vec2(lowest, 0.0), mass, largest[turn] > lowestKey);
    }
  }
}
