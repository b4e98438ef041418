// The experts' down projections, mixed by the router's weights on top of the residual stream, as features and as the draft LM
// head's input. Every weight is read once for all rows and lists.
//
// input    [rows, EXPERTS * INPUTS inputs]: QUANTIZE 1 as linearInt8Blocks reads it, QUANTIZE 0 float32
// weights  QUANTIZE 1: [EXPERTS, INPUTS / 4, OUTPUTS] u32 of four int8 steps; QUANTIZE 0: [EXPERTS, INPUTS, OUTPUTS] float32
// columns  [EXPERTS + 1, OUTPUTS] float32: value of one step of each expert's weights, then the factors of the LM head's input
// base     [.., OUTPUTS] float32
// picks    [rows] row of `base` that each row is added to
// factors  [rows, LISTS, EXPERTS] float32
// output   [LISTS, COUNT] rows of OUTPUTS inputs: QUANTIZE 1 as linearInt8Blocks reads it, QUANTIZE 0 float32
// values   [LISTS, COUNT, OUTPUTS] float32
// Workgroups: [OUTPUTS / COLUMNS, COUNT / ROWS], rounded up. Reference: headOutputs in src/engine/gpu/headReference.ts
//
// PARAMETER ROWS: u32
// PARAMETER COLUMNS: u32
// PARAMETER SLICES: u32
// PARAMETER COUNT: u32     output rows of a list
// PARAMETER INPUTS: u32    of one expert, a multiple of 32
// PARAMETER OUTPUTS: u32   a multiple of 32
// PARAMETER EXPERTS: u32
// PARAMETER LISTS: u32
// PARAMETER QUANTIZE: u32

@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> weights: array<u32>;
@group(0) @binding(2) var<storage, read> columns: array<f32>;
@group(0) @binding(3) var<storage, read> base: array<f32>;
@group(0) @binding(4) var<storage, read> picks: array<u32>;
@group(0) @binding(5) var<storage, read> factors: array<f32>;
@group(0) @binding(6) var<storage, read_write> output: array<u32>;
@group(0) @binding(7) var<storage, read_write> values: array<f32>;

const threads = COLUMNS * SLICES;
const inputBlocks = EXPERTS * INPUTS / 32u;
const inputStride = select(EXPERTS * INPUTS / 4u, inputBlocks * 2u + (inputBlocks + 3u) / 4u, QUANTIZE == 1u);
const outputBlocks = OUTPUTS / 32u;

var<workgroup> tile: array<array<f32, COLUMNS>, ROWS * LISTS>;

fn tileValue(row: u32, lane: u32) -> f32 {
  return tile[row][lane];
}

// The slice's part of a row's product with one expert's block of 32 inputs.
fn product(row: u32, block: u32, w: array<vec4<u32>, 8>) -> f32 {
  let start = row * inputStride;
  if (QUANTIZE == 1u) {
    let a = input[start + 2u * block];
    let b = input[start + 2u * block + 1u];
    var sum = 0;
    for (var i = 0u; i < 4u; i++) {
      sum += dot4I8Packed(a[i], w[0][i]) + dot4I8Packed(b[i], w[1][i]);
    }
    return f32(sum) * bitcast<f32>(input[start + 2u * inputBlocks + block / 4u][block % 4u]);
  }
  var sum = 0.0;
  for (var i = 0u; i < 8u; i++) {
    sum += dot(bitcast<vec4<f32>>(input[start + 8u * block + i]), bitcast<vec4<f32>>(w[i]));
  }
  return sum;
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % COLUMNS;
  let slice = thread / COLUMNS;
  let column = min(group.x * COLUMNS + lane, OUTPUTS - 1u);
  let firstRow = group.y * ROWS;
  var sums = array<f32, ROWS * LISTS>();
  for (var expert = 0u; expert < EXPERTS; expert++) {
    var own = array<f32, ROWS>();
    for (var block = slice; block < INPUTS / 32u; block += SLICES) {
      var w: array<vec4<u32>, 8>;
      // int8: eight words hold the block's 32 inputs; float32: thirty-two.
      const quads = select(8u, 2u, QUANTIZE == 1u);
      for (var i = 0u; i < quads; i++) {
        let at = (expert * INPUTS / 32u + block) * quads * 4u + 4u * i;
        w[i] = vec4(
          weights[at * OUTPUTS + column], weights[(at + 1u) * OUTPUTS + column],
          weights[(at + 2u) * OUTPUTS + column], weights[(at + 3u) * OUTPUTS + column],
        );
      }
      for (var row = 0u; row < ROWS; row++) {
        own[row] += product(firstRow + row, expert * INPUTS / 32u + block, w);
      }
    }
    for (var row = 0u; row < ROWS; row++) {
      for (var list = 0u; list < LISTS; list++) {
        let factor = factors[((firstRow + row) * LISTS + list) * EXPERTS + expert];
        sums[row * LISTS + list] += factor * columns[expert * OUTPUTS + column] * own[row];
      }
    }
  }
  for (var turn = 0u; turn < SLICES; turn++) {
    if (turn == slice) {
      for (var i = 0u; i < ROWS * LISTS; i++) {
        tile[i][lane] = select(tile[i][lane], 0.0, turn == 0u) + sums[i];
      }
    }
    workgroupBarrier();
  }
  for (var i = slice; i < ROWS * LISTS; i += SLICES) {
    let row = firstRow + i / LISTS;
    var next = 0.0;
    if (row < COUNT && group.x * COLUMNS + lane < OUTPUTS) {
      let place = (i % LISTS) * COUNT + row;
      let value = base[picks[row] * OUTPUTS + column] + tile[i][lane];
      values[place * OUTPUTS + column] = value;
      next = value * columns[EXPERTS * OUTPUTS + column];
      if (QUANTIZE == 0u) {
        output[place * OUTPUTS + column] = bitcast<u32>(next);
      }
    }
    tile[i][lane] = next;
  }
  workgroupBarrier();
  if (QUANTIZE == 1u) {
    for (var task = thread; task < ROWS * LISTS * (COLUMNS / 32u); task += threads) {
      let i = task % (ROWS * LISTS);
      let firstLane = task / (ROWS * LISTS) * 32u;
      let block = (group.x * COLUMNS + firstLane) / 32u;
      let row = firstRow + i / LISTS;
      if (block < outputBlocks && row < COUNT) {
        quantizeBlock(i, firstLane, ((i % LISTS) * COUNT + row) * blockStride(outputBlocks), outputBlocks, block);
      }
    }
  }
}
