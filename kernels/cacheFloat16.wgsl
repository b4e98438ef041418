// Keys and values as `attention` reads them: float16, two in a word. Core WGSL unpacks them, so that no device needs shader-f16.

@group(0) @binding(1) var<storage, read> cache: array<vec2<u32>>;

fn cachedQuad(index: u32) -> vec4<f32> {
  let pairs = cache[index];
  return vec4(unpack2x16float(pairs.x), unpack2x16float(pairs.y));
}
