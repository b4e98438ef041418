// Appends one level to each sequence's draft tree, chooses the next frontier (EAGLE-2: the best children by value, ties to the
// smaller index) and writes its rows for the next forward of the head; or appends that frontier's children too, where the same
// forward proposes them.
//
// candidates   (target id, bits of log-probability) [lists, SEQUENCES, FRONTIER, BRANCHING], best first; BRANCHES lists, and one for
//              the parallel level
// offsets      [SEQUENCES, 8 depths, 10 buckets] what calibration adds to the head's probability
// sequences    [SEQUENCES]
// trees        [SEQUENCES]
// rows         [SEQUENCES, BRANCHING] the new frontier as rows of the head; each carries on a row of the last forward's outputs,
//              [BRANCHES, SEQUENCES, FRONTIER]
// paths        [SEQUENCES, BRANCHING, PATH] slots of each one's drafted ancestors and its own
// Workgroups: [SEQUENCES]. Reference: ReferenceTree in src/engine/gpu/treeReference.ts
//
// PARAMETER FRONTIER: u32        rows per sequence of the forward that made the candidates: 1 or BRANCHING
// PARAMETER FIRST: u32           1: a new tree, whose root the candidates follow
// PARAMETER PARALLEL: u32        1: the tree ends with the children of the new frontier, each from the row of its parent
// PARAMETER BRANCHES: u32        2: two lists per frontier node; a token of both takes the larger probability

@group(0) @binding(0) var<storage, read> candidates: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> offsets: array<f32>;
@group(0) @binding(2) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(3) var<storage, read_write> trees: array<Tree>;
@group(0) @binding(4) var<storage, read_write> rows: array<Row>;
@group(0) @binding(5) var<storage, read_write> paths: array<u32>;

const threads = 256u;
const parents = select(BRANCHING, 1u, FIRST == 1u);
const perBranch = parents * BRANCHING;
const children = perBranch * BRANCHES;

// The same numbers as in src/engine/decoding/calibration.ts.
const edges = array<f32, 9>(0.01, 0.03, 0.08, 0.16, 0.3, 0.5, 0.7, 0.85, 0.95);
const depths = 8u;
const buckets = 10u;
const leastShare = 0.05;

var<workgroup> keys: array<u32, children>;
// The new frontier, as children; `children` where there are fewer.
var<workgroup> picks: array<u32, BRANCHING>;

struct Proposal {
  conditional: f32,
  claim: u32,
}

// The logarithm of the calibrated probability, at most 0.
fn calibrate(sequence: u32, depth: u32, logProbability: f32) -> Proposal {
  let raw = min(exp(logProbability), 1.0);
  var bucket = 0u;
  for (var i = 0u; i < buckets - 1u; i++) {
    bucket += u32(raw > edges[i]);
  }
  let cell = (min(depth, depths) - 1u) * buckets + bucket;
  let claim = (cell << 24u) | min(u32(raw * 16777216.0), 16777215u);
  let offset = offsets[sequence * depths * buckets + cell];
  if (offset == 0.0) {
    return Proposal(clamp(logProbability, impossible, 0.0), claim);
  }
  let probability = min(max(raw + offset, raw * leastShare), 1.0 - (1.0 - raw) * leastShare);
  if (probability <= 0.0) {
    return Proposal(impossible, claim);
  }
  return Proposal(min(log(probability), 0.0), claim);
}

fn candidateAt(branch: u32, sequence: u32, row: u32, rank: u32) -> vec2<u32> {
  return candidates[((branch * SEQUENCES + sequence) * FRONTIER + row) * BRANCHING + rank];
}

// Which list proposed the token: the one that holds it more probable, the first of equals.
fn branchOf(sequence: u32, row: u32, child: u32) -> u32 {
  if (BRANCHES == 1u || child >= perBranch) {
    return child / perBranch;
  }
  let mine = candidateAt(0u, sequence, row, child % BRANCHING);
  for (var j = 0u; j < BRANCHING; j++) {
    let other = candidateAt(1u, sequence, row, j);
    if (other.x == mine.x && bitcast<f32>(other.y) > bitcast<f32>(mine.y)) {
      return 1u;
    }
  }
  return 0u;
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let s = group.x;
  let sequence = sequences[s];
  if (sequence.finished != 0u) {
    if (PARALLEL == 0u && thread < BRANCHING) {
      leaveEmpty(s, thread, sequence.headRegion);
    }
    return;
  }
  let first = select(trees[s].size, 1u, FIRST == 1u);
  let level = select(trees[s].level, 0u, FIRST == 1u) + 1u;
  if (FIRST == 1u && thread == 0u) {
    trees[s].nodes[0] = Node(sequence.root, noNode, 0u, 0.0, 0u);
  }

  for (var child = thread; child < children; child += threads) {
    let branch = child / perBranch;
    let row = (child % perBranch) / BRANCHING;
    var parent = 0u;
    var parentValue = 0.0;
    if (FIRST == 0u) {
      parent = trees[s].frontier[row];
    }
    let candidate = candidateAt(branch, s, row, child % BRANCHING);
    var present = candidate.x != noToken && parent != noNode;
    var proposal = calibrate(s, level, bitcast<f32>(candidate.y));
    if (BRANCHES == 2u) {
      for (var j = 0u; j < BRANCHING; j++) {
        let other = candidateAt(1u - branch, s, row, j);
        if (present && other.x == candidate.x) {
          present = branch == 0u;
          let rival = calibrate(s, level, bitcast<f32>(other.y));
          if (rival.conditional > proposal.conditional) {
            proposal = rival;
          }
        }
      }
    }
    if (FIRST == 0u && present) {
      parentValue = trees[s].nodes[parent].value;
    }
    let value = max(parentValue + proposal.conditional, impossible);
    keys[child] = select(0u, orderKey(bitcast<u32>(value)), present);
    if (first + child < POOL) {
      trees[s].nodes[first + child] =
        Node(candidate.x, select(noNode, parent, present), level, value, proposal.claim);
    }
  }
  if (thread < BRANCHING) {
    picks[thread] = children;
  }
  workgroupBarrier();
  for (var child = thread; child < children; child += threads) {
    let key = keys[child];
    var rank = 0u;
    for (var other = 0u; other < children; other++) {
      rank += u32(precedes(keys[other], other, key, child));
    }
    if (key > 0u && rank < BRANCHING) {
      picks[rank] = child;
    }
  }
  workgroupBarrier();
  if (thread < BRANCHING) {
    let child = picks[thread];
    trees[s].frontier[thread] = select(first + child, noNode, child == children);
    trees[s].parentRows[thread] = select(parentRowOf(child), 0u, child == children);
  }
  if (thread == 0u) {
    trees[s].size = min(first + children + PARALLEL * BRANCHING * BRANCHING, POOL);
    trees[s].level = level + PARALLEL;
  }

  if (PARALLEL == 1u) {
    for (var i = thread; i < BRANCHING * BRANCHING; i += threads) {
      addParallel(s, first, level + 1u, i);
    }
    return;
  }
  var ancestors: array<u32, PATH>;
  let child = picks[min(thread, BRANCHING - 1u)];
  let parentRow = parentRowOf(child);
  let row = s * BRANCHING + thread;
  if (FIRST == 0u && thread < BRANCHING && child < children) {
    for (var i = 0u; i + 1u < level; i++) {
      ancestors[i] = paths[(s * BRANCHING + parentRow) * PATH + i];
    }
  }
  // The rows of one workgroup alone are read and written here: the frontier's old paths have all been read.
  storageBarrier();
  if (thread >= BRANCHING) {
    return;
  }
  if (child == children) {
    leaveEmpty(s, thread, sequence.headRegion);
    return;
  }
  let slot = sequence.headRegion + sequence.length + (level - 1u) * BRANCHING + thread;
  for (var i = 0u; i + 1u < level; i++) {
    paths[row * PATH + i] = ancestors[i];
  }
  paths[row * PATH + level - 1u] = slot;
  let position = sequence.length - 1u + level;
  let token = candidateAt(child / perBranch, s, parentRow, child % BRANCHING).x;
  let feature = i32((branchOf(s, parentRow, child) * SEQUENCES + s) * FRONTIER + parentRow);
  rows[row] = Row(token, position, sequence.headRegion, sequence.length, row * PATH, slot, s, feature);
}

fn parentRowOf(child: u32) -> u32 {
  return (child % perBranch) / BRANCHING;
}

// Child `i` of the new frontier, [BRANCHING, BRANCHING], from the row of its parent's parent.
fn addParallel(s: u32, first: u32, level: u32, i: u32) {
  let node = first + children + i;
  if (node >= POOL) {
    return;
  }
  let parent = picks[i / BRANCHING];
  let candidate = candidateAt(BRANCHES, s, parentRowOf(parent), i % BRANCHING);
  let present = candidate.x != noToken && parent < children;
  let proposal = calibrate(s, level, bitcast<f32>(candidate.y));
  let parentValue = select(0.0, orderedValue(keys[min(parent, children - 1u)]), present);
  let value = max(parentValue + proposal.conditional, impossible);
  trees[s].nodes[node] = Node(candidate.x, select(noNode, first + parent, present), level, value, proposal.claim);
}

fn leaveEmpty(s: u32, place: u32, region: u32) {
  let row = s * BRANCHING + place;
  rows[row] = paddingRow(s, region, row * PATH);
  paths[row * PATH] = region;
}
