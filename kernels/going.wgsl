// Whether any text of a round goes on. A round that was submitted behind the end of its texts has nothing to compute: its products
// return at once. The group is the whole pass's; forwards that the host asks for get one that always goes on.
//
// going    x: 0 where all have ended (kernels/stillGoing.wgsl)

@group(1) @binding(0) var<uniform> going: vec4<u32>;
