// RMS norm of the rows that need outputs, and the router: which experts mix into each output list, and with what weights
// (jakiro.md section 1).
//
// input    [rows, WIDTH] float32
// gains    [WIDTH]
// picks    [outputs] row that each output row is made of
// router   [WIDTH, EXPERTS + 2] float32: gates of the experts, then the contrastive ones; unused where LISTS is 1
// output   QUANTIZE 1: [outputs, inputs / 16 + 1] vec4<u32> as linearInt8 reads it, where inputs is WIDTH rounded up to 16
//          QUANTIZE 0: [outputs, WIDTH] float32
// factors  [outputs, LISTS, EXPERTS] float32: weight of each expert in each list. Mixture and contrast; with BRANCHES 1 the two
//          selected experts alone, the one with the smaller index first
// Workgroups: [outputs]. Reference: headOutputs in src/engine/gpu/headReference.ts
//
// PARAMETER WIDTH: u32     a multiple of 4
// PARAMETER EPSILON: f32
// PARAMETER QUANTIZE: u32
// PARAMETER EXPERTS: u32
// PARAMETER LISTS: u32     1: a dense head, its one expert counts fully
// PARAMETER BRANCHES: u32

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> gains: array<f32>;
@group(0) @binding(2) var<storage, read> picks: array<u32>;
@group(0) @binding(3) var<storage, read> router: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<u32>;
@group(0) @binding(5) var<storage, read_write> factors: array<f32>;

const gates = EXPERTS + 2u;
const paddedWords = (WIDTH + 15u) / 16u * 4u;

var<workgroup> gate: array<f32, gates>;

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let start = picks[group.x] * WIDTH;
  var squares = 0.0;
  for (var i = thread; i < WIDTH; i += threads) {
    squares += input[start + i] * input[start + i];
  }
  let factor = 1.0 / sqrt(sumOver(thread, squares) / f32(WIDTH) + EPSILON);

  if (LISTS == 2u) {
    for (var g = 0u; g < gates; g++) {
      var sum = 0.0;
      for (var i = thread; i < WIDTH; i += threads) {
        sum += input[start + i] * factor * gains[i] * router[i * gates + g];
      }
      let whole = sumOver(thread, sum);
      if (thread == 0u) {
        gate[g] = whole;
      }
    }
  }
  if (thread == 0u) {
    route(group.x * LISTS * EXPERTS);
  }

  var largest = smallest;
  for (var i = thread; i < WIDTH; i += threads) {
    let value = input[start + i] * factor * gains[i];
    largest = max(largest, abs(value));
    if (QUANTIZE == 0u) {
      output[group.x * WIDTH + i] = bitcast<u32>(value);
    }
  }
  if (QUANTIZE == 0u) {
    return;
  }
  let magnitude = largestOver(thread, largest);
  let steps = 127.0 / magnitude;
  let row = group.x * (paddedWords + 4u);
  for (var word = thread; word < paddedWords; word += threads) {
    var packed = vec4<i32>();
    for (var i = 0u; i < 4u; i++) {
      let at = 4u * word + i;
      if (at < WIDTH) {
        packed[i] = i32(round(input[start + at] * factor * gains[at] * steps));
      }
    }
    output[row + word] = pack4xI8Clamp(packed);
  }
  if (thread == 0u) {
    output[row + paddedWords] = bitcast<u32>(magnitude);
  }
}

// The two experts with the largest gates, ties to the smaller index, in index order.
fn route(at: u32) {
  for (var i = 0u; i < LISTS * EXPERTS; i++) {
    factors[at + i] = 0.0;
  }
  if (LISTS == 1u) {
    factors[at] = 1.0;
    return;
  }
  var best = 0u;
  for (var e = 1u; e < EXPERTS; e++) {
    best = select(best, e, gate[e] > gate[best]);
  }
  var second = select(0u, 1u, best == 0u);
  for (var e = second + 1u; e < EXPERTS; e++) {
    second = select(second, e, e != best && gate[e] > gate[second]);
  }
  let low = min(best, second);
  let high = max(best, second);
  if (BRANCHES == 1u) {
    factors[at + low] = 1.0;
    factors[at + EXPERTS + high] = 1.0;
    return;
  }
  let share = 1.0 / (1.0 + exp(gate[high] - gate[low]));
  factors[at + low] = share;
  factors[at + high] = 1.0 - share;
  // Strong minus weak; the first is the stronger one of equals.
  let strength = 1.0 / (1.0 + exp(gate[EXPERTS + 1u] - gate[EXPERTS]));
  let sign = select(-1.0, 1.0, gate[EXPERTS] >= gate[EXPERTS + 1u]);
  factors[at + EXPERTS + low] = sign * strength;
  factors[at + EXPERTS + high] = -sign * (1.0 - strength);
}
