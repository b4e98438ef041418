// x @ W + bias, stored or added to what is there (the residual stream).
//
// output   [rows, OUTPUTS] float32
// Workgroups: [OUTPUTS / COLUMNS, rows / ROWS], rounded up. Reference: linear in src/engine/gpu/reference.ts
//
// PARAMETER ADD: u32       1 adds to the output, 0 overwrites it

@group(0) @binding(3) var<storage, read_write> output: array<f32>;

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
  if (column >= OUTPUTS) {
    return;
  }
  for (var row = slice; row < ROWS; row += SLICES) {
    let at = (firstRow + row) * OUTPUTS + column;
    let value = tileValue(row, lane) + bias(column);
    if (ADD == 1u) {
      output[at] += value;
    } else {
      output[at] = value;
    }
  }
}
