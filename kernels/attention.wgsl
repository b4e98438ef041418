// Scores, softmax and mixture of one block of positions (flash-decoding's split). Blocks lie at absolute positions and hold a
// row's keys in the order of their positions, cached or new: the result does not depend on which keys are new.
//
// queries  [rows, KV_HEADS * GROUP, HEAD_DIM] float32, divided by sqrt(HEAD_DIM) beforehand
// cache    [layers, 2, SLOTS, KV_HEADS * HEAD_DIM]: keys, then values; `cachedQuad` of the text before reads four of a row
// rows     the forward's rows: position, region, contiguous, path
// paths    slots of the positions that do not lie at region + position
// partial  [rows, KV_HEADS * GROUP, BLOCKS, HEAD_DIM + 2] float32: mixture, sum of weights, largest score
// place    layer of the cache
// Workgroups: [blocks of the longest row, KV_HEADS, rows]. Reference: attention in src/engine/gpu/reference.ts
//
// PARAMETER HEAD_DIM: u32   a multiple of 4
// PARAMETER KV_HEADS: u32
// PARAMETER GROUP: u32      query heads per key head
// PARAMETER SLOTS: u32
// PARAMETER BLOCK: u32      positions per block, one thread each
// PARAMETER BLOCKS: u32     blocks that `partial` has room for

@group(0) @binding(0) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> rows: array<Row>;
@group(0) @binding(3) var<storage, read> paths: array<u32>;
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;
@group(0) @binding(5) var<uniform> place: vec4<u32>;

const quads = HEAD_DIM / 4u;
const lowest = -3.0e38;

var<workgroup> query: array<array<vec4<f32>, quads>, GROUP>;
var<workgroup> weight: array<array<f32, BLOCK>, GROUP>;
var<workgroup> slots: array<u32, BLOCK>;
var<workgroup> largest: array<f32, GROUP>;
var<workgroup> total: array<f32, GROUP>;

@compute @workgroup_size(BLOCK)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let row = rows[group.z];
  let kvHead = group.y;
  let first = group.x * BLOCK;
  if (row.slot == noSlot || first > row.position) {
    return;
  }
  let count = min(BLOCK, row.position + 1u - first);
  for (var i = thread; i < GROUP * quads; i += BLOCK) {
    query[i / quads][i % quads] = queries[(group.z * KV_HEADS + kvHead) * GROUP * quads + i];
  }
  let position = first + thread;
  var slot = row.region + position;
  if (position >= row.contiguous && thread < count) {
    slot = paths[row.path + position - row.contiguous];
  }
  slots[thread] = slot;
  workgroupBarrier();

  var scores = array<f32, GROUP>();
  if (thread < count) {
    let start = ((place.x * 2u) * SLOTS + slot) * KV_HEADS * quads + kvHead * quads;
    for (var i = 0u; i < quads; i++) {
      let key = cachedQuad(start + i);
      for (var head = 0u; head < GROUP; head++) {
        let q = query[head][i];
        scores[head] = fma(q.w, key.w, fma(q.z, key.z, fma(q.y, key.y, fma(q.x, key.x, scores[head]))));
      }
    }
  }
  for (var head = 0u; head < GROUP; head++) {
    weight[head][thread] = select(lowest, scores[head], thread < count);
  }
  workgroupBarrier();
  if (thread < GROUP) {
    var peak = lowest;
    for (var i = 0u; i < count; i++) {
      peak = max(peak, weight[thread][i]);
    }
    largest[thread] = peak;
  }
  workgroupBarrier();
  if (thread < count) {
    for (var head = 0u; head < GROUP; head++) {
      weight[head][thread] = exp(scores[head] - largest[head]);
    }
  }
  workgroupBarrier();
  if (thread < GROUP) {
    var sum = 0.0;
    for (var i = 0u; i < count; i++) {
      sum += weight[thread][i];
    }
    total[thread] = sum;
  }
  workgroupBarrier();

  for (var task = thread; task < GROUP * quads; task += BLOCK) {
    let head = task / quads;
    let quad = task % quads;
    var mixed = vec4<f32>();
    for (var i = 0u; i < count; i++) {
      let value = cachedQuad(((place.x * 2u + 1u) * SLOTS + slots[i]) * KV_HEADS * quads + kvHead * quads + quad);
      mixed = fma(vec4(weight[head][i]), value, mixed);
    }
    let at = ((group.z * KV_HEADS + kvHead) * GROUP + head) * BLOCKS * (HEAD_DIM + 2u) + group.x * (HEAD_DIM + 2u);
    for (var i = 0u; i < 4u; i++) {
      partial[at + 4u * quad + i] = mixed[i];
    }
    if (quad == 0u) {
      partial[at + HEAD_DIM] = total[head];
      partial[at + HEAD_DIM + 1u] = largest[head];
    }
  }
}
