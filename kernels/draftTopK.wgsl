// The BRANCHING best target ids of each row with natural logarithms of their probabilities over the whole draft vocabulary.
//
// best        [rows, tiles, BRANCHING] of linearBest
// masses      [rows, tiles] of linearBest
// targets     [VOCABULARY] target id of each draft id (d2t)
// candidates  [rows, BRANCHING] (target id, bits of the float32 logarithm), best first; `noToken` where a row has fewer
// Workgroups: [rows]. Reference: draftTopK in src/engine/gpu/draftReference.ts
//
// PARAMETER VOCABULARY: u32
// PARAMETER BRANCHING: u32   at most 16
// PARAMETER TILE: u32        columns of linearBest's tiles

@group(0) @binding(0) var<storage, read> best: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> masses: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read_write> candidates: array<vec2<u32>>;

const threads = 256u;
const tiles = (VOCABULARY + TILE - 1u) / TILE;
const perThread = (tiles + threads - 1u) / threads;
const entries = BRANCHING * BRANCHING;
const noToken = 0xffffffffu;
const impossible = -1.0e30;

// Each thread's best tile by the tile's first entry, then the entries of the best tiles.
var<workgroup> ranked: array<vec2<u32>, threads>;
var<workgroup> bound: vec2<u32>;
// Tiles that may be among the BRANCHING best, by their first entries: no thread has more than its own.
var<workgroup> leaders: array<vec2<u32>, BRANCHING * perThread>;
var<workgroup> found: atomic<u32>;
var<workgroup> sums: array<f32, threads>;
var<workgroup> placed: atomic<u32>;

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let first = group.x * tiles;
  // Threads without a number are ranked among themselves too, so that exactly one has each rank.
  var own = vec2(0u, VOCABULARY + thread);
  for (var tile = thread; tile < tiles; tile += threads) {
    let leader = best[(first + tile) * BRANCHING];
    if (leader.x > own.x) {
      own = leader;
    }
  }
  ranked[thread] = own;
  if (thread == 0u) {
    atomicStore(&found, 0u);
    atomicStore(&placed, 0u);
  }
  workgroupBarrier();
  var rank = 0u;
  var largest = 0u;
  for (var i = 0u; i < threads; i++) {
    let other = ranked[i];
    rank += u32(precedes(other.x, other.y, own.x, own.y));
    largest = max(largest, other.x);
  }
  // At most BRANCHING threads have a tile as good as this one.
  if (rank == BRANCHING - 1u) {
    bound = own;
  }
  var sum = 0.0;
  if (largest > lowestKey) {
    for (var tile = thread; tile < tiles; tile += threads) {
      let mass = masses[first + tile];
      sum = fma(mass.y, exp(mass.x - orderedValue(largest)), sum);
    }
  }
  sums[thread] = sum;
  workgroupBarrier();
  for (var tile = thread; tile < tiles; tile += threads) {
    let leader = best[(first + tile) * BRANCHING];
    if (leader.x > 0u && !precedes(bound.x, bound.y, leader.x, leader.y)) {
      leaders[atomicAdd(&found, 1u)] = leader;
    }
  }
  for (var i = thread; i < entries; i += threads) {
    ranked[i] = vec2(0u, 0u);
  }
  for (var reach = threads / 2u; reach > 0u; reach /= 2u) {
    workgroupBarrier();
    if (thread < reach) {
      sums[thread] += sums[thread + reach];
    }
  }
  let count = atomicLoad(&found);
  for (var i = thread; i < count; i += threads) {
    let leader = leaders[i];
    var before = 0u;
    for (var j = 0u; j < count; j++) {
      let other = leaders[j];
      before += u32(precedes(other.x, other.y, leader.x, leader.y));
    }
    if (before < BRANCHING) {
      for (var j = 0u; j < BRANCHING; j++) {
        ranked[before * BRANCHING + j] = best[(first + leader.y / TILE) * BRANCHING + j];
      }
    }
  }
  workgroupBarrier();

  let logTotal = select(0.0, orderedValue(largest) + log(sums[0]), sums[0] > 0.0);
  for (var i = thread; i < entries; i += threads) {
    let mine = ranked[i];
    if (mine.x == 0u) {
      continue;
    }
    var before = 0u;
    for (var j = 0u; j < entries; j++) {
      let other = ranked[j];
      before += u32(precedes(other.x, other.y, mine.x, mine.y));
    }
    if (before < BRANCHING) {
      let logProbability = select(impossible, orderedValue(mine.x) - logTotal, mine.x > lowestKey);
      candidates[group.x * BRANCHING + before] = vec2(targets[mine.y], bitcast<u32>(min(logProbability, 0.0)));
      atomicAdd(&placed, 1u);
    }
  }
  workgroupBarrier();
  if (thread < BRANCHING && thread >= atomicLoad(&placed)) {
    candidates[group.x * BRANCHING + thread] = vec2(noToken, bitcast<u32>(impossible));
  }
}
