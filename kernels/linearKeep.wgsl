// x @ W + bias, kept as it is and quantized for the product that follows.
//
// output   QUANTIZE 1: [rows, OUTPUTS / 16 + OUTPUTS / 128 rounded up] vec4<u32> as linearInt8Blocks reads it; QUANTIZE 0: not written
// kept     [rows, OUTPUTS] float32
// Workgroups: [OUTPUTS / COLUMNS, rows / ROWS], rounded up. Reference: headOutputs in src/engine/gpu/headReference.ts
//
// PARAMETER QUANTIZE: u32

@group(0) @binding(3) var<storage, read_write> output: array<u32>;
@group(0) @binding(4) var<storage, read_write> kept: array<f32>;

const blocks = (OUTPUTS + 31u) / 32u;

@compute @workgroup_size(COLUMNS * SLICES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  if (going.x == 0u) {
    return;
  }
  let lane = thread % COLUMNS;
  let slice = thread / COLUMNS;
  let first = group.x * COLUMNS;
  let column = first + lane;
  let firstRow = group.y * ROWS;
  fillTile(column, firstRow, lane, slice);
  for (var row = slice; row < ROWS; row += SLICES) {
    var value = 0.0;
    if (column < OUTPUTS) {
      value = tileValue(row, lane) + bias(column);
      kept[(firstRow + row) * OUTPUTS + column] = value;
    }
    tile[row][lane] = bitcast<u32>(value);
  }
  workgroupBarrier();
  if (QUANTIZE == 1u) {
    quantizeTile(thread, COLUMNS, firstRow, first, blocks);
  }
}
