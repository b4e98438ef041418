// Best draft ids of each tile of the draft vocabulary, with what the tile adds to the softmax. draftTopK merges the tiles.
//
// logits   [rows, VOCABULARY] float32
// best     [rows, tiles, BRANCHING] (order key, draft id), best first, ties to the smaller id; key 0 where a tile has fewer
// masses   [rows, tiles] (largest logit, sum of exp(logit - largest)), (lowest, 0) where nothing is above -infinity
// Workgroups: [tiles, rows] with tiles = VOCABULARY / 2048, rounded up. Reference: draftTopK in src/engine/gpu/draftReference.ts
//
// PARAMETER VOCABULARY: u32
// PARAMETER BRANCHING: u32   at most 16

@group(0) @binding(0) var<storage, read> logits: array<u32>;
@group(0) @binding(1) var<storage, read_write> best: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> masses: array<vec2<f32>>;

const threads = 256u;
const perThread = 8u;
const tile = threads * perThread;
const tiles = (VOCABULARY + tile - 1u) / tile;
const lowest = -3.0e38;

var<workgroup> bests: array<vec2<u32>, threads>;
var<workgroup> bound: vec2<u32>;
var<workgroup> found: atomic<u32>;
var<workgroup> candidates: array<vec2<u32>, BRANCHING * perThread>;
var<workgroup> sums: array<f32, threads>;

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let place = group.y * tiles + group.x;
  var keys: array<u32, perThread>;
  var own = vec2(0u, noDraft(thread));
  for (var i = 0u; i < perThread; i++) {
    let id = group.x * tile + i * threads + thread;
    keys[i] = 0u;
    if (id < VOCABULARY) {
      keys[i] = orderKey(logits[group.y * VOCABULARY + id]);
    }
    if (keys[i] > own.x) {
      own = vec2(keys[i], id);
    }
  }
  bests[thread] = own;
  if (thread == 0u) {
    atomicStore(&found, 0u);
  }
  workgroupBarrier();

  // At most BRANCHING threads hold anything as good as the BRANCHING-th best of all threads' bests.
  var rank = 0u;
  var largest = 0u;
  for (var i = 0u; i < threads; i++) {
    let other = bests[i];
    rank += u32(precedes(other.x, other.y, own.x, own.y));
    largest = max(largest, other.x);
  }
  if (rank == BRANCHING - 1u) {
    bound = own;
  }
  workgroupBarrier();
  for (var i = 0u; i < perThread; i++) {
    let id = group.x * tile + i * threads + thread;
    if (keys[i] > 0u && !precedes(bound.x, bound.y, keys[i], id)) {
      candidates[atomicAdd(&found, 1u)] = vec2(keys[i], id);
    }
  }
  var sum = 0.0;
  if (largest > lowestKey) {
    for (var i = 0u; i < perThread; i++) {
      if (keys[i] > lowestKey) {
        sum += exp(orderedValue(keys[i]) - orderedValue(largest));
      }
    }
  }
  sums[thread] = sum;
  workgroupBarrier();

  let count = atomicLoad(&found);
  for (var i = thread; i < count; i += threads) {
    let mine = candidates[i];
    var before = 0u;
    for (var j = 0u; j < count; j++) {
      let other = candidates[j];
      before += u32(precedes(other.x, other.y, mine.x, mine.y));
    }
    if (before < BRANCHING) {
      best[place * BRANCHING + before] = mine;
    }
  }
  if (thread >= count && thread < BRANCHING) {
    best[place * BRANCHING + thread] = vec2(0u, 0u);
  }
  for (var reach = threads / 2u; reach > 0u; reach /= 2u) {
    workgroupBarrier();
    if (thread < reach) {
      sums[thread] += sums[thread + reach];
    }
  }
  if (thread == 0u) {
    masses[place] = select(vec2(lowest, 0.0), vec2(orderedValue(largest), sums[0]), largest > lowestKey);
  }
}

// Threads without a number are ranked among themselves too, so that exactly one has each rank.
fn noDraft(thread: u32) -> u32 {
  return VOCABULARY + thread;
}
