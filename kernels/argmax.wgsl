// The most probable token of each row, ties to the smaller id; NaN never wins.
//
// logits   [rows, WIDTH] float32
// output   [rows] u32
// Workgroups: [rows]. Reference: argmax in src/engine/decoding/selection.ts
//
// PARAMETER WIDTH: u32

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

const threads = 256u;

var<workgroup> values: array<f32, threads>;
var<workgroup> ids: array<u32, threads>;

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  var best = -3.4028234e38;
  var id = WIDTH;
  for (var i = thread; i < WIDTH; i += threads) {
    let value = logits[group.x * WIDTH + i];
    // By its bits: compilers may take for granted that no float is NaN.
    if ((bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u) {
      continue;
    }
    if (value > best || (id == WIDTH && value == best)) {
      best = value;
      id = i;
    }
  }
  values[thread] = best;
  ids[thread] = id;
  workgroupBarrier();
  for (var reach = threads / 2u; reach > 0u; reach /= 2u) {
    if (thread < reach) {
      let other = thread + reach;
      if (values[other] > values[thread] || (values[other] == values[thread] && ids[other] < ids[thread])) {
        values[thread] = values[other];
        ids[thread] = ids[other];
      }
    }
    workgroupBarrier();
  }
  if (thread == 0u) {
    output[group.x] = select(ids[0], 0u, ids[0] == WIDTH);
  }
}
