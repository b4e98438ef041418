// The router, and the experts' down projections mixed by its weights on top of the residual stream: what the draft LM head and the
// next level's fc read (jakiro.md section 1). Every weight is read once for all rows and lists.
//
// input    [rows, EXPERTS * INPUTS inputs]: QUANTIZE 1 as linearInt8Blocks reads it, QUANTIZE 0 float32
// weights  QUANTIZE 1: [EXPERTS, INPUTS / 4, OUTPUTS] u32 of four int8 steps; QUANTIZE 0: [EXPERTS, INPUTS, OUTPUTS] float32
// columns  [EXPERTS + 1, OUTPUTS] float32: value of one step of each expert's weights, then the factors of the output
// base     [.., OUTPUTS] float32
// picks    [rows] row of `base` that each row is added to
// parts    of linearNormed, for each row of `base`
// output   [LISTS, COUNT] rows of OUTPUTS inputs: QUANTIZE 1 as linearInt8Blocks reads it, QUANTIZE 0 float32
// Workgroups: [OUTPUTS / COLUMNS, COUNT / ROWS], rounded up. Reference: route in src/engine/gpu/headReference.ts
//
// PARAMETER ROWS: u32
// PARAMETER COLUMNS: u32
// PARAMETER SLICES: u32
// PARAMETER COUNT: u32     output rows of a list
// PARAMETER INPUTS: u32    of one expert, a multiple of 32
// PARAMETER OUTPUTS: u32   HIDDEN
// PARAMETER EXPERTS: u32
// PARAMETER LISTS: u32     1: a dense head, its one expert counts fully. 2: mixture and contrast of two experts or, where BRANCHES
//                          is 1, each of them alone, the one with the smaller index first
// PARAMETER BRANCHES: u32
// PARAMETER QUANTIZE: u32

@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> weights: array<u32>;
@group(0) @binding(2) var<storage, read> columns: array<f32>;
@group(0) @binding(3) var<storage, read> base: array<f32>;
@group(0) @binding(4) var<storage, read> picks: array<u32>;
@group(0) @binding(5) var<storage, read> parts: array<f32>;
@group(0) @binding(6) var<storage, read_write> output: array<u32>;

const threads = COLUMNS * SLICES;
const inputBlocks = EXPERTS * INPUTS / 32u;
const inputStride = select(EXPERTS * INPUTS / 4u, inputBlocks * 2u + (inputBlocks + 3u) / 4u, QUANTIZE == 1u);
const outputBlocks = OUTPUTS / 32u;

var<workgroup> tile: array<array<f32, COLUMNS>, ROWS * LISTS>;
// Sums of the rows' parts.
var<workgroup> gates: array<array<f32, partsPerTile>, ROWS>;
var<workgroup> factors: array<array<f32, EXPERTS>, ROWS * LISTS>;

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
  if (going.x == 0u) {
    return;
  }
  let lane = thread % COLUMNS;
  let slice = thread / COLUMNS;
  let column = min(group.x * COLUMNS + lane, OUTPUTS - 1u);
  let firstRow = group.y * ROWS;
  for (var i = thread; i < ROWS * partsPerTile; i += threads) {
    let row = i / partsPerTile;
    gates[row][i % partsPerTile] = partSum(picks[min(firstRow + row, COUNT - 1u)], i % partsPerTile);
  }
  workgroupBarrier();
  if (thread < ROWS) {
    route(thread);
  }
  workgroupBarrier();
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
        let factor = factors[row * LISTS + list][expert];
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

// The two experts with the largest gates, ties to the smaller index, in index order.
fn route(row: u32) {
  let at = row * LISTS;
  for (var list = 0u; list < LISTS; list++) {
    for (var e = 0u; e < EXPERTS; e++) {
      factors[at + list][e] = select(0.0, 1.0, LISTS == 1u);
    }
  }
  if (LISTS == 1u) {
    return;
  }
  let factor = normFactor(gates[row][0]);
  var best = 0u;
  for (var e = 1u; e < EXPERTS; e++) {
    best = select(best, e, gateOf(row, e) > gateOf(row, best));
  }
  var second = select(0u, 1u, best == 0u);
  for (var e = second + 1u; e < EXPERTS; e++) {
    second = select(second, e, e != best && gateOf(row, e) > gateOf(row, second));
  }
  let low = min(best, second);
  let high = max(best, second);
  if (BRANCHES == 1u) {
    factors[at][low] = 1.0;
    factors[at + LISTS - 1u][high] = 1.0;
    return;
  }
  let share = 1.0 / (1.0 + exp((gateOf(row, high) - gateOf(row, low)) * factor));
  factors[at][low] = share;
  factors[at][high] = 1.0 - share;
  // Strong minus weak; the first is the stronger one of equals.
  let first = gateOf(row, EXPERTS);
  let other = gateOf(row, EXPERTS + 1u);
  let strength = 1.0 / (1.0 + exp((other - first) * factor));
  let sign = select(-1.0, 1.0, first >= other);
  factors[at + LISTS - 1u][low] = sign * strength;
  factors[at + LISTS - 1u][high] = -sign * (1.0 - strength);
}

// Before the norm's factor.
fn gateOf(row: u32, gate: u32) -> f32 {
  return gates[row][min(gate + 1u, GATES)];
}
