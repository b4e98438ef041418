// Moves accepted rows' keys and values to the places of their positions, in all layers. Sources rise and lie at or above their
// destinations, so that one thread that walks the list in order never overwrites what is still to be moved.
//
// moves    [count] (source slot, destination slot)
// cache    [layers, 2, SLOTS, WIDTH] float32
// count    x: number of moves
// Workgroups: [WIDTH / 64 rounded up, layers * 2]. Reference: compactKv in src/engine/gpu/reference.ts
//
// PARAMETER SLOTS: u32
// PARAMETER WIDTH: u32

@group(0) @binding(0) var<storage, read> moves: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read_write> cache: array<f32>;
@group(0) @binding(2) var<uniform> count: vec4<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let column = group.x * 64u + thread;
  if (column >= WIDTH) {
    return;
  }
  for (var i = 0u; i < count.x; i++) {
    cache[(group.y * SLOTS + moves[i].y) * WIDTH + column] = cache[(group.y * SLOTS + moves[i].x) * WIDTH + column];
  }
}
