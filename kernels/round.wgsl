// Shared declarations of the device-resident round, put behind rows.wgsl and sequence.wgsl; src/engine/gpu/roundLayout.ts has the same offsets.
//
// PARAMETER SEQUENCES: u32   sequences of the batch
// PARAMETER ROWS: u32        verification rows of a sequence, root included
// PARAMETER BRANCHING: u32   children per expanded node, and nodes expanded per level
// PARAMETER PATH: u32        rows of the longest path through a tree: levels + 1
// PARAMETER POOL: u32        nodes that a tree has room for

// A drafted token. `value` is the sum of its path's conditional log-probabilities.
struct Node {
  token: u32,
  parent: u32,       // node; `noNode` for the root and for places that hold no node
  depth: u32,
  value: f32,
  claim: u32,        // what the head said of it: calibration cell in the top 8 bits, probability in units of 2^-24
}

struct Tree {
  size: u32,         // places in use
  level: u32,        // levels below the root
  rows: u32,         // rows that were given to verification
  frontier: array<u32, BRANCHING>,    // nodes to expand next, best first
  parentRows: array<u32, BRANCHING>,  // index in the previous frontier of each one's parent (out_ids)
  claims: array<u32, ROWS>,           // of the verification rows
  nodes: array<Node, POOL>,
}

// What one round did to a sequence: all that the host reads.
struct Outcome {
  round: u32,
  count: u32,        // accepted tokens; 0 where the sequence had finished before
  finished: u32,
  length: u32,       // after the round
  emitted: u32,
  base: u32,         // KV slot of row 0
  rows: u32,
  drafted: u32,      // nodes of the tree, root included
  tokens: array<u32, PATH>,  // drawn at each visited row
  path: array<u32, PATH>,    // visited rows of the sequence, the root's 0 first
  tree: array<u32, ROWS>,    // token, parent row in the top 8 bits (255 for the root)
  claims: array<u32, ROWS>,
}

const noNode = 0xffffffffu;
const noToken = 0xffffffffu;

// Value of a node that its source holds impossible: finite, so that sums and differences stay numbers.
const impossible = -1.0e30;

// A row that only fills up a tile; what it may read exists.
fn paddingRow(sequence: u32, region: u32, path: u32) -> Row {
  return Row(0u, 0u, region, 0u, path, noSlot, sequence, -1);
}
