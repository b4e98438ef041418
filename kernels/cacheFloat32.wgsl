// Keys and values as `attention` reads them: float32.

@group(0) @binding(1) var<storage, read> cache: array<vec4<f32>>;

fn cachedQuad(index: u32) -> vec4<f32> {
  return cache[index];
}
