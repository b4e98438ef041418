// x @ W + bias added to the residual stream, beside what the draft head's experts need of its RMS norm: the values times the norm's
// gains, and this tile's part of the squares and of the router's gates (jakiro.md section 1). What a whole row decides, its factor,
// can wait: the product with the experts is linear.
//
// residual [rows, OUTPUTS] float32
// gains    [OUTPUTS]
// router   [OUTPUTS, GATES] float32
// normed   QUANTIZE 1: [rows, OUTPUTS inputs] as linearInt8Blocks reads it; QUANTIZE 0: [rows, OUTPUTS] float32
// parts    [rows, tiles, GATES + 1] float32: sum of squares, sums of value * gain * router; tiles of COLUMNS columns
// Workgroups: [OUTPUTS / COLUMNS, rows / ROWS], rounded up. Reference: normed in src/engine/gpu/headReference.ts
//
// PARAMETER QUANTIZE: u32
// PARAMETER GATES: u32

@group(0) @binding(3) var<storage, read_write> residual: array<f32>;
@group(0) @binding(4) var<storage, read> gains: array<f32>;
@group(0) @binding(5) var<storage, read> router: array<f32>;
@group(0) @binding(6) var<storage, read_write> output: array<u32>;
@group(0) @binding(7) var<storage, read_write> parts: array<f32>;

const blocks = (OUTPUTS + 31u) / 32u;
const tiles = (OUTPUTS + COLUMNS - 1u) / COLUMNS;

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
      let at = (firstRow + row) * OUTPUTS + column;
      value = residual[at] + (tileValue(row, lane) + bias(column));
      residual[at] = value;
    }
    tile[row][lane] = bitcast<u32>(value);
  }
  workgroupBarrier();

  let count = min(COLUMNS, OUTPUTS - first);
  for (var task = thread; task < ROWS * (GATES + 1u); task += COLUMNS * SLICES) {
    let row = task / (GATES + 1u);
    let part = task % (GATES + 1u);
    var sum = 0.0;
    for (var i = 0u; i < count; i++) {
      let value = tileValue(row, i);
      if (part == 0u) {
        sum = fma(value, value, sum);
      } else {
        sum = fma(value * gains[first + i], router[(first + i) * GATES + part - 1u], sum);
      }
    }
    parts[((firstRow + row) * tiles + group.x) * (GATES + 1u) + part] = sum;
  }
  workgroupBarrier();

  for (var row = slice; row < ROWS; row += SLICES) {
    var next = 0.0;
    if (column < OUTPUTS) {
      next = tileValue(row, lane) * gains[column];
      if (QUANTIZE == 0u) {
        output[(firstRow + row) * OUTPUTS + column] = bitcast<u32>(next);
      }
    }
    tile[row][lane] = bitcast<u32>(next);
  }
  workgroupBarrier();
  if (QUANTIZE == 1u) {
    quantizeTile(thread, COLUMNS, firstRow, first, blocks);
  }
}
