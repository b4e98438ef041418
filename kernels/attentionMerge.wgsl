// Joins the blocks of `attention` by their largest scores, in the order of positions, and quantizes each row for the output
// projection.
//
// partial  [rows, HEADS, BLOCKS, HEAD_DIM + 2] float32: mixture, sum of weights, largest score
// rows     the forward's rows: position
// output   QUANTIZE 1: [rows, inputs / 16 + 1] vec4<u32> as linearInt8 reads it, where inputs is HEADS * HEAD_DIM rounded up to 16
//          QUANTIZE 0: [rows, HEADS * HEAD_DIM] float32
// Workgroups: [rows]. Reference: attention in src/engine/gpu/reference.ts
//
// PARAMETER HEAD_DIM: u32
// PARAMETER HEADS: u32
// PARAMETER BLOCK: u32
// PARAMETER BLOCKS: u32
// PARAMETER QUANTIZE: u32

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

const width = HEADS * HEAD_DIM;
const paddedWords = (width + 15u) / 16u * 4u;

var<workgroup> mixed: array<f32, paddedWords * 4u>;

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let row = group.x;
  if (rows[row].slot == noSlot) {
    return;
  }
  let blocks = rows[row].position / BLOCK + 1u;
  var largest = smallest;
  for (var i = thread; i < paddedWords * 4u; i += threads) {
    var value = 0.0;
    if (i < width) {
      value = joined((row * HEADS + i / HEAD_DIM) * BLOCKS, i % HEAD_DIM, blocks);
    }
    mixed[i] = value;
    largest = max(largest, abs(value));
  }
  let magnitude = largestOver(thread, largest);
  if (QUANTIZE == 0u) {
    for (var i = thread; i < width; i += threads) {
      output[row * width + i] = bitcast<u32>(mixed[i]);
    }
    return;
  }
  let steps = 127.0 / magnitude;
  let start = row * (paddedWords + 4u);
  for (var word = thread; word < paddedWords; word += threads) {
    let values = vec4(mixed[4u * word], mixed[4u * word + 1u], mixed[4u * word + 2u], mixed[4u * word + 3u]);
    output[start + word] = pack4xI8Clamp(vec4<i32>(round(values * steps)));
  }
  if (thread == 0u) {
    output[start + paddedWords] = bitcast<u32>(magnitude);
  }
}

fn joined(first: u32, dimension: u32, blocks: u32) -> f32 {
  const stride = HEAD_DIM + 2u;
  var peak = partial[first * stride + HEAD_DIM + 1u];
  for (var block = 1u; block < blocks; block++) {
    peak = max(peak, partial[(first + block) * stride + HEAD_DIM + 1u]);
  }
  var sum = 0.0;
  var total = 0.0;
  for (var block = 0u; block < blocks; block++) {
    let at = (first + block) * stride;
    let share = exp(partial[at + HEAD_DIM + 1u] - peak);
    sum = fma(share, partial[at + dimension], sum);
    total = fma(share, partial[at + HEAD_DIM], total);
  }
  return sum / total;
}
