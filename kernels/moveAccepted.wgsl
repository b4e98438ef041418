// Moves the keys and values of accepted rows to the places of their positions, in all layers, for all sequences. A path's rows
// rise and lie at or above their positions, so that one thread that walks it in order never overwrites what is still to be moved.
//
// outcomes  [SEQUENCES] of accept, or of the host: count, base, path
// cache     [layers, 2, SLOTS, WIDTH] 32-bit words
// Workgroups: [WIDTH / 64 rounded up, layers * 2, SEQUENCES]. Reference: moveAccepted in src/engine/gpu/acceptReference.ts
//
// PARAMETER SLOTS: u32
// PARAMETER WIDTH: u32

@group(0) @binding(0) var<storage, read> outcomes: array<Outcome>;
@group(0) @binding(1) var<storage, read_write> cache: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let column = group.x * 64u + thread;
  if (column >= WIDTH) {
    return;
  }
  let outcome = &outcomes[group.z];
  let first = group.y * SLOTS + outcome.base;
  for (var i = 0u; i < outcome.count; i++) {
    let row = outcome.path[i];
    if (row != i) {
      cache[(first + i) * WIDTH + column] = cache[(first + row) * WIDTH + column];
    }
  }
}
