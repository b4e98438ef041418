const multiplier = 0xd256d193;
const keyIncrement = 0x9e3779b9;
const rounds = 10;

/** High 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carried = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carried / 0x10000)) >>> 0;
}

/**
 * Philox2x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3" (SC 2011). Returns two unsigned 32-bit words for a 64-bit counter and a 32-bit key.
 */
export function philox2x32(counterLow: number, counterHigh: number, key: number): readonly [number, number] {
  let low = counterLow >>> 0;
  let high = counterHigh >>> 0;
  let roundKey = key >>> 0;
  for (let round = 0; round < rounds; round++) {
    const productHigh = multiplyHigh(multiplier, low);
    const productLow = Math.imul(multiplier, low) >>> 0;
    low = (productHigh ^ roundKey ^ high) >>> 0;
    high = productLow;
    roundKey = (roundKey + keyIncrement) >>> 0;
  }
  return [low, high];
}

/**
 * The uniform number in [0, 1) that belongs to a seed and an absolute token position: a pure function of both, so that
 * every way of reaching a position draws the same number there. 53 bits are used.
 * @param seed integer in 0 .. 2^53 - 1
 * @param position integer in 0 .. 2^32 - 1
 */
export function uniform(seed: number, position: number): number {
  const [first, second] = philox2x32(position, Math.floor(seed / 2 ** 32), seed);
  return ((first >>> 5) * 2 ** 26 + (second >>> 6)) / 2 ** 53;
}
