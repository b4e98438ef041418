// Scores, softmax and mixture of one block of positions (flash-decoding's split) for a tile of rows. Blocks lie at absolute positions
// and hold a row's keys in the order of their positions, cached or new: the result depends neither on which keys are new nor on
// the tile. Keys and values of the text that all rows of a tile follow are read once for all of them.
//
// queries  [rows, KV_HEADS * GROUP, HEAD_DIM] float32, divided by sqrt(HEAD_DIM) beforehand
// cache    [layers, 2, SLOTS, KV_HEADS * HEAD_DIM]: keys, then values; `cachedQuad` of the text before reads four of a row
// rows     the forward's rows, filled up to a whole tile: position, region, contiguous, path
// paths    slots of the positions that do not lie at region + position
// partial  [rows, KV_HEADS * GROUP, BLOCKS, HEAD_DIM + 2] float32: mixture, sum of weights, largest score
// place    layer of the cache
// Workgroups: [blocks of the longest row, KV_HEADS, rows / TILE]. Reference: attention in src/engine/gpu/reference.ts
//
// PARAMETER HEAD_DIM: u32   a multiple of 4
// PARAMETER KV_HEADS: u32
// PARAMETER GROUP: u32      query heads per key head
// PARAMETER SLOTS: u32
// PARAMETER BLOCK: u32      positions per block, one thread each
// PARAMETER BLOCKS: u32     blocks that `partial` has room for
// PARAMETER TILE: u32       rows of a workgroup

@group(0) @binding(0) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> rows: array<Row>;
@group(0) @binding(3) var<storage, read> paths: array<u32>;
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;
@group(0) @binding(5) var<uniform> place: vec4<u32>;

const quads = HEAD_DIM / 4u;
// A softmax each: the heads of the tile's first row, then those of the next.
const lists = TILE * GROUP;
// Threads that mix the same quad of values, and softmaxes of each.
const mixers = BLOCK / quads;
const perMixer = (lists + mixers - 1u) / mixers;
// A softmax is reduced part by part.
const parts = 16u;
const partSize = BLOCK / parts;
const lowest = -3.0e38;

var<workgroup> query: array<array<vec4<f32>, quads>, lists>;
var<workgroup> weight: array<array<f32, BLOCK>, lists>;
var<workgroup> slots: array<array<u32, BLOCK>, TILE>;
// Positions of each row in this block.
var<workgroup> counts: array<u32, TILE>;
var<workgroup> reduced: array<array<f32, parts>, lists>;
var<workgroup> largest: array<f32, lists>;
var<workgroup> total: array<f32, lists>;

fn countOf(row: Row, first: u32) -> u32 {
  if (row.slot == noSlot || first > row.position) {
    return 0u;
  }
  return min(BLOCK, row.position + 1u - first);
}

@compute @workgroup_size(BLOCK)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let firstRow = group.z * TILE;
  let kvHead = group.y;
  let first = group.x * BLOCK;
  // Positions from `first` on that lie in the same slots for all rows that have any here, and the region of these.
  var alike = BLOCK;
  var most = 0u;
  var region = 0u;
  for (var r = 0u; r < TILE; r++) {
    let row = rows[firstRow + r];
    let count = countOf(row, first);
    if (count > 0u) {
      let own = min(count, max(row.contiguous, first) - first);
      alike = select(0u, min(alike, own), most == 0u || row.region == region);
      region = row.region;
      most = max(most, count);
    }
  }
  if (most == 0u) {
    return;
  }
  if (thread < TILE) {
    counts[thread] = countOf(rows[firstRow + thread], first);
  }
  for (var i = thread; i < lists * quads; i += BLOCK) {
    let list = i / quads;
    let head = ((firstRow + list / GROUP) * KV_HEADS + kvHead) * GROUP + list % GROUP;
    query[list][i % quads] = queries[head * quads + i % quads];
  }
  let position = first + thread;
  for (var r = 0u; r < TILE; r++) {
    let row = rows[firstRow + r];
    var slot = row.region + position;
    if (position >= row.contiguous && thread < countOf(row, first)) {
      slot = paths[row.path + position - row.contiguous];
    }
    slots[r][thread] = slot;
  }
  workgroupBarrier();

  let keys = (place.x * 2u) * SLOTS * KV_HEADS * quads + kvHead * quads;
  if (thread < alike) {
    let start = keys + (region + position) * KV_HEADS * quads;
    var scores = array<f32, lists>();
    for (var i = 0u; i < quads; i++) {
      let key = cachedQuad(start + i);
      for (var list = 0u; list < lists; list++) {
        let q = query[list][i];
        scores[list] = fma(q.w, key.w, fma(q.z, key.z, fma(q.y, key.y, fma(q.x, key.x, scores[list]))));
      }
    }
    for (var list = 0u; list < lists; list++) {
      weight[list][thread] = scores[list];
    }
  } else {
    for (var r = 0u; r < TILE; r++) {
      var scores: array<f32, GROUP>;
      for (var head = 0u; head < GROUP; head++) {
        scores[head] = select(lowest, 0.0, thread < counts[r]);
      }
      if (thread < counts[r]) {
        let start = keys + slots[r][thread] * KV_HEADS * quads;
        for (var i = 0u; i < quads; i++) {
          let key = cachedQuad(start + i);
          for (var head = 0u; head < GROUP; head++) {
            let q = query[r * GROUP + head][i];
            scores[head] = fma(q.w, key.w, fma(q.z, key.z, fma(q.y, key.y, fma(q.x, key.x, scores[head]))));
          }
        }
      }
      for (var head = 0u; head < GROUP; head++) {
        weight[r * GROUP + head][thread] = scores[head];
      }
    }
  }
  workgroupBarrier();
  for (var task = thread; task < lists * parts; task += BLOCK) {
    let list = task / parts;
    let begin = (task % parts) * partSize;
    var peak = weight[list][begin];
    for (var i = 1u; i < partSize; i++) {
      peak = max(peak, weight[list][begin + i]);
    }
    reduced[list][task % parts] = peak;
  }
  workgroupBarrier();
  if (thread < lists) {
    var peak = reduced[thread][0];
    for (var part = 1u; part < parts; part++) {
      peak = max(peak, reduced[thread][part]);
    }
    largest[thread] = peak;
  }
  workgroupBarrier();
  for (var list = 0u; list < lists; list++) {
    weight[list][thread] = select(0.0, exp(weight[list][thread] - largest[list]), thread < counts[list / GROUP]);
  }
  workgroupBarrier();
  for (var task = thread; task < lists * parts; task += BLOCK) {
    let list = task / parts;
    let begin = (task % parts) * partSize;
    var sum = weight[list][begin];
    for (var i = 1u; i < partSize; i++) {
      sum += weight[list][begin + i];
    }
    reduced[list][task % parts] = sum;
  }
  workgroupBarrier();
  if (thread < lists) {
    var sum = reduced[thread][0];
    for (var part = 1u; part < parts; part++) {
      sum += reduced[thread][part];
    }
    total[thread] = sum;
  }
  workgroupBarrier();

  let mixer = thread / quads;
  if (mixer >= mixers) {
    return;
  }
  let quad = thread % quads;
  let values = (place.x * 2u + 1u) * SLOTS * KV_HEADS * quads + kvHead * quads + quad;
  let firstList = mixer * perMixer;
  var mixed = array<vec4<f32>, perMixer>();
  for (var i = 0u; i < alike; i++) {
    let value = cachedQuad(values + (region + first + i) * KV_HEADS * quads);
    for (var m = 0u; m < perMixer; m++) {
      mixed[m] = fma(vec4(weight[min(firstList + m, lists - 1u)][i]), value, mixed[m]);
    }
  }
  for (var i = alike; i < most; i++) {
    for (var m = 0u; m < perMixer; m++) {
      let list = min(firstList + m, lists - 1u);
      let r = list / GROUP;
      if (i < counts[r]) {
        let value = cachedQuad(values + slots[r][i] * KV_HEADS * quads);
        mixed[m] = fma(vec4(weight[list][i]), value, mixed[m]);
      }
    }
  }
  for (var m = 0u; m < perMixer; m++) {
    let list = firstList + m;
    if (list < lists && counts[list / GROUP] > 0u) {
      let head = ((firstRow + list / GROUP) * KV_HEADS + kvHead) * GROUP + list % GROUP;
      let at = (head * BLOCKS + group.x) * (HEAD_DIM + 2u);
      for (var i = 0u; i < 4u; i++) {
        partial[at + 4u * quad + i] = mixed[m][i];
      }
      if (quad == 0u) {
        partial[at + HEAD_DIM] = total[list];
        partial[at + HEAD_DIM + 1u] = largest[list];
      }
    }
  }
}
