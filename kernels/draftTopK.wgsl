// The BRANCHING best target ids of each row with natural logarithms of their probabilities over the whole draft vocabulary.
//
// best        [rows, tiles, BRANCHING] of draftTiles
// masses      [rows, tiles] of draftTiles
// targets     [VOCABULARY] target id of each draft id (d2t)
// candidates  [rows, BRANCHING] (target id, bits of the float32 logarithm), best first; `noToken` where a row has fewer
// Workgroups: [rows]. Reference: draftTopK in src/engine/gpu/draftReference.ts
//
// PARAMETER VOCABULARY: u32
// PARAMETER BRANCHING: u32

@group(0) @binding(0) var<storage, read> best: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> masses: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read_write> candidates: array<vec2<u32>>;

const threads = 64u;
const tiles = (VOCABULARY + 2047u) / 2048u;
const entries = tiles * BRANCHING;
const noToken = 0xffffffffu;
const impossible = -1.0e30;

var<workgroup> logTotal: f32;
var<workgroup> found: atomic<u32>;

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  if (thread == 0u) {
    var largest = masses[group.x * tiles].x;
    for (var i = 1u; i < tiles; i++) {
      largest = max(largest, masses[group.x * tiles + i].x);
    }
    var total = 0.0;
    for (var i = 0u; i < tiles; i++) {
      let mass = masses[group.x * tiles + i];
      total += mass.y * exp(mass.x - largest);
    }
    logTotal = select(0.0, largest + log(total), total > 0.0);
    atomicStore(&found, 0u);
  }
  workgroupBarrier();
  for (var i = thread; i < entries; i += threads) {
    let mine = best[group.x * entries + i];
    if (mine.x == 0u) {
      continue;
    }
    var rank = 0u;
    for (var j = 0u; j < entries && rank < BRANCHING; j++) {
      let other = best[group.x * entries + j];
      rank += u32(precedes(other.x, other.y, mine.x, mine.y));
    }
    if (rank < BRANCHING) {
      let logProbability = select(impossible, orderedValue(mine.x) - logTotal, mine.x > lowestKey);
      candidates[group.x * BRANCHING + rank] = vec2(targets[mine.y], bitcast<u32>(min(logProbability, 0.0)));
      atomicAdd(&found, 1u);
    }
  }
  workgroupBarrier();
  if (thread < BRANCHING && thread >= atomicLoad(&found)) {
    candidates[group.x * BRANCHING + thread] = vec2(noToken, bitcast<u32>(impossible));
  }
}
