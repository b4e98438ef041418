// Each sequence's tree as its root alone: plain decoding's round, which drafts nothing.
//
// sequences  [SEQUENCES]
// trees      [SEQUENCES]
// Workgroups: [SEQUENCES]. Reference: ReferenceTree in src/engine/gpu/treeReference.ts

@group(0) @binding(0) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(1) var<storage, read_write> trees: array<Tree>;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3<u32>) {
  trees[group.x].size = 1u;
  trees[group.x].level = 0u;
  trees[group.x].nodes[0] = Node(sequences[group.x].root, noNode, 0u, 0.0, 0u);
}
