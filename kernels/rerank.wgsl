// The best nodes of each sequence's tree by value, ties to the smaller index (EAGLE-2's rerank), as rows to verify: row 0 is the
// root, parents precede children.
//
// sequences  [SEQUENCES]
// trees      [SEQUENCES]
// rows       [SEQUENCES, ROWS]; rows without a node have `noSlot`
// paths      [SEQUENCES, ROWS, PATH] slots of each row's ancestors and its own
// Workgroups: [SEQUENCES]. Reference: rerank in src/engine/gpu/treeReference.ts

@group(0) @binding(0) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(1) var<storage, read_write> trees: array<Tree>;
@group(0) @binding(2) var<storage, read_write> rows: array<Row>;
@group(0) @binding(3) var<storage, read_write> paths: array<u32>;

const threads = 256u;
const words = (POOL + 31u) / 32u;

var<workgroup> keys: array<u32, POOL>;
var<workgroup> chosen: array<atomic<u32>, words>;

// Chosen nodes before this one: its row.
fn rowOf(node: u32) -> u32 {
  var row = 0u;
  for (var i = 0u; i < node / 32u; i++) {
    row += countOneBits(atomicLoad(&chosen[i]));
  }
  return row + countOneBits(atomicLoad(&chosen[node / 32u]) & ((1u << (node % 32u)) - 1u));
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let s = group.x;
  let sequence = sequences[s];
  let finished = sequence.finished != 0u;
  let size = select(trees[s].size, 0u, finished);
  // Every row needs a slot behind the committed ones, and the root is always among them.
  let wanted = max(min(min(sequence.nodes, ROWS), sequence.capacity - sequence.length), 1u) - 1u;
  for (var i = thread; i < words; i += threads) {
    atomicStore(&chosen[i], select(0u, 1u, i == 0u && !finished));
  }
  for (var i = thread; i < size; i += threads) {
    let node = trees[s].nodes[i];
    keys[i] = select(orderKey(bitcast<u32>(node.value)), 0u, node.parent == noNode);
  }
  workgroupBarrier();
  for (var i = thread; i < size; i += threads) {
    let key = keys[i];
    if (key == 0u) {
      continue;
    }
    var rank = 0u;
    for (var j = 0u; j < size && rank < wanted; j++) {
      rank += u32(precedes(keys[j], j, key, i));
    }
    if (rank < wanted) {
      atomicOr(&chosen[i / 32u], 1u << (i % 32u));
    }
  }
  workgroupBarrier();

  for (var i = thread; i < size; i += threads) {
    if (((atomicLoad(&chosen[i / 32u]) >> (i % 32u)) & 1u) == 0u) {
      continue;
    }
    let node = trees[s].nodes[i];
    let row = rowOf(i);
    let base = sequence.region + sequence.length;
    let path = (s * ROWS + row) * PATH;
    var parent = -1;
    if (node.parent != noNode) {
      parent = i32(s * ROWS + rowOf(node.parent));
    }
    rows[s * ROWS + row] =
      Row(node.token, sequence.length + node.depth, sequence.region, sequence.length, path, base + row, s, parent);
    trees[s].claims[row] = node.claim;
    var ancestor = i;
    for (var depth = i32(node.depth); depth >= 0; depth--) {
      paths[path + u32(depth)] = base + rowOf(ancestor);
      ancestor = trees[s].nodes[ancestor].parent;
    }
  }
  var count = 0u;
  for (var i = 0u; i < words; i++) {
    count += countOneBits(atomicLoad(&chosen[i]));
  }
  if (thread == 0u) {
    trees[s].rows = count;
  }
  for (var row = count + thread; row < ROWS; row += threads) {
    let place = s * ROWS + row;
    rows[place] = paddingRow(s, sequence.region, place * PATH);
    paths[place * PATH] = sequence.region;
    trees[s].claims[row] = 0u;
  }
}
