// The projections of attention: queries rotated and stored, keys rotated and values appended to the cache. A tile is one head.
//
// queries  [rows, HEADS * COLUMNS] float32
// cache    [layers, 2, SLOTS, KV_HEADS * COLUMNS]: keys, then values; HALF 0: float32, HALF 1: float16, two in a word
// rows     the forward's rows: position and slot
// rotary   [positions, COLUMNS / 2] (cosine, sine)
// place    layer of the cache
// Workgroups: [HEADS + 2 * KV_HEADS, rows / ROWS rounded up]. Reference: qkv in src/engine/gpu/reference.ts
//
// PARAMETER HEADS: u32
// PARAMETER KV_HEADS: u32
// PARAMETER SLOTS: u32     KV slots of a layer
// PARAMETER HALF: u32

@group(0) @binding(3) var<storage, read_write> queries: array<f32>;
@group(0) @binding(4) var<storage, read_write> cache: array<u32>;
@group(0) @binding(5) var<storage, read> rows: array<Row>;
@group(0) @binding(6) var<storage, read> rotary: array<vec2<f32>>;
@group(0) @binding(7) var<uniform> place: vec4<u32>;

const half = COLUMNS / 2u;

@compute @workgroup_size(COLUMNS * SLICES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  if (going.x == 0u) {
    return;
  }
  let lane = thread % COLUMNS;
  let slice = thread / COLUMNS;
  let head = group.x;
  let firstRow = group.y * ROWS;
  fillTile(head * COLUMNS + lane, firstRow, lane, slice);
  for (var index = slice; index < ROWS; index += SLICES) {
    let row = rows[firstRow + index];
    if (row.slot == noSlot) {
      continue;
    }
    let value = turned(index, lane, head, row.position);
    if (head < HEADS) {
      queries[(firstRow + index) * HEADS * COLUMNS + head * COLUMNS + lane] = value;
    } else {
      let kind = (head - HEADS) / KV_HEADS;
      let kvHead = (head - HEADS) % KV_HEADS;
      let start = ((place.x * 2u + kind) * SLOTS + row.slot) * KV_HEADS * COLUMNS;
      let at = start + kvHead * COLUMNS + lane;
      if (HALF == 0u) {
        cache[at] = bitcast<u32>(value);
      } else if (lane % 2u == 0u) {
        cache[at / 2u] = pack2x16float(vec2(value, turned(index, lane + 1u, head, row.position)));
      }
    }
  }
}

fn turned(index: u32, lane: u32, head: u32, position: u32) -> f32 {
  let value = tileValue(index, lane) + bias(head * COLUMNS + lane);
  if (head >= HEADS + KV_HEADS) {
    return value;
  }
  let other = (lane + half) % COLUMNS;
  let partner = tileValue(index, other) + bias(head * COLUMNS + other);
  let turn = rotary[position * half + lane % half];
  // Half-split order: the first half turns with the second.
  return select(fma(value, turn.x, partner * turn.y), fma(value, turn.x, -(partner * turn.y)), lane < half);
}
