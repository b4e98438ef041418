// silu(x @ gate) * (x @ up), quantized for the product that follows. W holds gate and up side by side.
//
// output   quantized (QUANTIZE 1): [rows, inputs / 16 + inputs / 128 rounded up] vec4<u32> as linearInt8Blocks reads it, where
//          inputs is OUTPUTS / 2 rounded up to 32; else [rows, OUTPUTS / 2] float32
// Workgroups: [OUTPUTS / COLUMNS, rows / ROWS], rounded up. Reference: gated in src/engine/gpu/reference.ts
//
// PARAMETER QUANTIZE: u32

@group(0) @binding(3) var<storage, read_write> output: array<u32>;

const width = OUTPUTS / 2u;
/// Columns of a tile are one half gates, one half ups.
const half = COLUMNS / 2u;
const blocks = (width + 31u) / 32u;

@compute @workgroup_size(COLUMNS * SLICES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  if (going.x == 0u) {
    return;
  }
  let lane = thread % COLUMNS;
  let slice = thread / COLUMNS;
  let first = group.x * half;
  let firstRow = group.y * ROWS;
  let column = select(width + first + lane - half, first + lane, lane < half);
  fillTile(column, firstRow, lane, slice);
  if (lane < half) {
    for (var row = slice; row < ROWS; row += SLICES) {
      let gate = tileValue(row, lane);
      let product = gate / (1.0 + exp(-gate)) * tileValue(row, lane + half);
      let inside = first + lane < width;
      if (QUANTIZE == 0u && inside) {
        output[(firstRow + row) * width + first + lane] = bitcast<u32>(product);
      }
      tile[row][lane] = bitcast<u32>(select(0.0, product, inside));
    }
  }
  workgroupBarrier();
  if (QUANTIZE == 1u) {
    quantizeTile(thread, half, firstRow, first, blocks);
  }
}
