// RMS norm of rows of the residual stream, and its result as the next product's input.
//
// input    [rows, WIDTH] float32
// gains    [WIDTH] (gain of the norm, factor between the normalized value and the next product's input)
// picks    [outputs] u32: the row that each output row is made of; used where PICK is 1
// output   QUANTIZE 1: [outputs, inputs / 16 + 1] vec4<u32> as linearInt8 reads it, where inputs is WIDTH rounded up to 16
//          QUANTIZE 0: [outputs, WIDTH] float32
// features KEEP 1: [outputs, WIDTH] float32, the normalized value itself; KEEP 2: [outputs, WIDTH inputs], the value times its factor
//          as linearInt8Blocks reads it
// Workgroups: [outputs]. Reference: norm in src/engine/gpu/reference.ts
//
// PARAMETER WIDTH: u32     a multiple of 4, of 32 where KEEP is 2
// PARAMETER EPSILON: f32   negative: the values are taken as they are
// PARAMETER QUANTIZE: u32
// PARAMETER KEEP: u32
// PARAMETER PICK: u32

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> gains: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> picks: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<u32>;
@group(0) @binding(4) var<storage, read_write> features: array<u32>;

const words = WIDTH / 4u;
const paddedWords = (WIDTH + 15u) / 16u * 4u;
const blocks = WIDTH / 32u;

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  if (going.x == 0u) {
    return;
  }
  let row = group.x;
  var source = row;
  if (PICK == 1u) {
    source = picks[row];
  }
  var factor = 1.0;
  if (EPSILON >= 0.0) {
    var squares = 0.0;
    for (var word = thread; word < words; word += threads) {
      let value = input[source * words + word];
      squares += dot(value, value);
    }
    factor = 1.0 / sqrt(sumOver(thread, squares) / f32(WIDTH) + EPSILON);
  }
  if (KEEP == 2u) {
    for (var block = thread; block < blocks; block += threads) {
      keepBlock(row, source, block, factor);
    }
  }
  var largest = smallest;
  for (var word = thread; word < words; word += threads) {
    let value = normalized(source, word, factor);
    if (KEEP == 1u) {
      let bits = bitcast<vec4<u32>>(value);
      for (var i = 0u; i < 4u; i++) {
        features[(row * words + word) * 4u + i] = bits[i];
      }
    }
    let next = value * nextFactor(word);
    if (QUANTIZE == 1u) {
      let size = abs(next);
      largest = max(largest, max(max(size.x, size.y), max(size.z, size.w)));
    } else {
      let bits = bitcast<vec4<u32>>(next);
      for (var i = 0u; i < 4u; i++) {
        output[(row * words + word) * 4u + i] = bits[i];
      }
    }
  }
  if (QUANTIZE == 1u) {
    let magnitude = largestOver(thread, largest);
    let steps = 127.0 / magnitude;
    let start = row * (paddedWords + 4u);
    for (var word = thread; word < paddedWords; word += threads) {
      var packed = 0u;
      if (word < words) {
        let next = normalized(source, word, factor) * nextFactor(word);
        packed = pack4xI8Clamp(vec4<i32>(round(next * steps)));
      }
      output[start + word] = packed;
    }
    if (thread == 0u) {
      output[start + paddedWords] = bitcast<u32>(magnitude);
    }
  }
}

fn keepBlock(row: u32, source: u32, block: u32, factor: f32) {
  var values = array<vec4<f32>, 8>();
  var largest = 0.0;
  for (var i = 0u; i < 8u; i++) {
    let word = block * 8u + i;
    values[i] = normalized(source, word, factor) * nextFactor(word);
    let size = abs(values[i]);
    largest = max(largest, max(max(size.x, size.y), max(size.z, size.w)));
  }
  let exponent = stepExponent(largest);
  let inverse = bitcast<f32>((254u - exponent) << 23u);
  let start = row * blockStride(blocks);
  for (var i = 0u; i < 8u; i++) {
    features[start + block * 8u + i] = pack4xI8Clamp(vec4<i32>(round(values[i] * inverse)));
  }
  features[start + blocks * 8u + block] = exponent << 23u;
}

fn normalized(row: u32, word: u32, factor: f32) -> vec4<f32> {
  let value = input[row * words + word];
  let gain = vec4(gains[4u * word].x, gains[4u * word + 1u].x, gains[4u * word + 2u].x, gains[4u * word + 3u].x);
  return value * factor * gain;
}

fn nextFactor(word: u32) -> vec4<f32> {
  return vec4(gains[4u * word].y, gains[4u * word + 1u].y, gains[4u * word + 2u].y, gains[4u * word + 3u].y);
}
