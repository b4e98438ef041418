// Tells the rounds behind this one whether any text goes on.
//
// sequences  [sequences] of accept
// going      kernels/going.wgsl: x
// Workgroups: [1]. Reference: `finished` of src/engine/gpu/acceptReference.ts, over all sequences

@group(0) @binding(0) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(1) var<storage, read_write> going: array<u32>;

@compute @workgroup_size(1)
fn main() {
  var any = 0u;
  for (var s = 0u; s < arrayLength(&sequences); s++) {
    any |= u32(sequences[s].finished == 0u);
  }
  going[0] = any;
}
