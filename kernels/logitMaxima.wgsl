// The largest logit of each tile of each row, ties to the smaller id; NaN never wins. chooseTokens merges the
// tiles, and does no more than that where it is greedy.
//
// logits   [rows, VOCABULARY] float32
// rows     the verification's rows: padding rows are passed over
// maxima   [rows, tiles] (order key, id); (key of -infinity, 0) where nothing is above -infinity
// Workgroups: [tiles, rows] with tiles = VOCABULARY / 4096, rounded up. Reference: argmax in src/engine/decoding/selection.ts
//
// PARAMETER VOCABULARY: u32

@group(0) @binding(0) var<storage, read> logits: array<u32>;
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read_write> maxima: array<vec2<u32>>;

const threads = 256u;
const perThread = 16u;
const tile = threads * perThread;
const tiles = (VOCABULARY + tile - 1u) / tile;

var<workgroup> bests: array<vec2<u32>, threads>;

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  if (rows[group.y].slot == noSlot) {
    return;
  }
  var best = vec2(lowestKey, 0u);
  for (var i = 0u; i < perThread; i++) {
    let id = group.x * tile + i * threads + thread;
    if (id < VOCABULARY) {
      let key = orderKey(logits[group.y * VOCABULARY + id]);
      if (key > best.x) {
        best = vec2(key, id);
      }
    }
  }
  bests[thread] = best;
  for (var reach = threads / 2u; reach > 0u; reach /= 2u) {
    workgroupBarrier();
    if (thread < reach) {
      let other = bests[thread + reach];
      let mine = bests[thread];
      if (precedes(other.x, other.y, mine.x, mine.y)) {
        bests[thread] = other;
      }
    }
  }
  if (thread == 0u) {
    maxima[group.y * tiles + group.x] = bests[0];
  }
}
