// Shared declarations, put before kernels that need 64-bit integers: (low, high).

fn add64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let low = a.x + b.x;
  return vec2(low, a.y + b.y + u32(low < a.x));
}

fn subtract64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  return vec2(a.x - b.x, a.y - b.y - u32(a.x < b.x));
}

fn less64(a: vec2<u32>, b: vec2<u32>) -> bool {
  return a.y < b.y || (a.y == b.y && a.x < b.x);
}

fn multiply32(a: u32, b: u32) -> vec2<u32> {
  let aLow = a & 0xffffu;
  let aHigh = a >> 16u;
  let bLow = b & 0xffffu;
  let bHigh = b >> 16u;
  let middle = aHigh * bLow + ((aLow * bLow) >> 16u);
  let carried = aLow * bHigh + (middle & 0xffffu);
  return vec2(a * b, aHigh * bHigh + (middle >> 16u) + (carried >> 16u));
}

// The low 64 bits of a product.
fn multiply64(a: vec2<u32>, b: u32) -> vec2<u32> {
  let low = multiply32(a.x, b);
  return vec2(low.x, low.y + a.y * b);
}

// The product without its low 32 bits.
fn scale64(a: vec2<u32>, b: u32) -> vec2<u32> {
  return add64(multiply32(a.y, b), vec2(multiply32(a.x, b).y, 0u));
}

// The high 64 bits of a product.
fn multiplyHigh64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let middle = add64(multiply32(a.y, b.x), vec2(multiply32(a.x, b.x).y, 0u));
  let carried = add64(multiply32(a.x, b.y), vec2(middle.x, 0u));
  return add64(multiply32(a.y, b.y), add64(vec2(middle.y, 0u), vec2(carried.y, 0u)));
}
