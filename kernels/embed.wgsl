// Embeddings of the rows' tokens.
//
// rows     the forward's rows: token
// table    BLOCKS 1: [vocabulary, WIDTH / 4] u32 of int8 steps; BLOCKS 0: [vocabulary, WIDTH] float32
// scales   BLOCKS 1: [vocabulary, WIDTH / 32] float32, rounded up: value of one step
// output   [rows, WIDTH] float32
// Workgroups: [rows]. Reference: embed in src/engine/gpu/reference.ts
//
// PARAMETER WIDTH: u32     a multiple of 4
// PARAMETER BLOCKS: u32

@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

const blocks = (WIDTH + 31u) / 32u;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  if (going.x == 0u) {
    return;
  }
  let token = rows[group.x].token;
  for (var i = thread; i < WIDTH; i += 64u) {
    var value: f32;
    if (BLOCKS == 1u) {
      let steps = unpack4xI8(table[(token * WIDTH + i) / 4u])[i % 4u];
      value = f32(steps) * scales[token * blocks + i / 32u];
    } else {
      value = bitcast<f32>(table[token * WIDTH + i]);
    }
    output[group.x * WIDTH + i] = value;
  }
}
