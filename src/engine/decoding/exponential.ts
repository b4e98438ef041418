const steps = 256;
const stepsPerUnit = steps / Math.LN2;
/** ln(2) / 256 in two parts: the first ends in zeros, so that its product with a step count is exact. */
const stepHigh = 0.6931471803691238 / steps;
const stepLow = 1.9082149292705877e-10 / steps;
const lowest = -745;

const fractions = Float64Array.from({ length: steps }, (_, i) => 2 ** (i / steps));
/** 2^-1080 .. 2^0 */
const powers = Float64Array.from({ length: 1081 }, (_, i) => 2 ** (i - 1080));

/**
 * exp(x) for x <= 0 to within 2 units in the last place, several times faster than Math.exp: a vocabulary's worth is
 * needed per sampled token. Table of 2^(j/256) and a polynomial of degree 4 (Tang, "Table-driven implementation of the
 * exponential function", ACM TOMS 1989). 0 below -745 and for NaN.
 */
export function negativeExp(x: number): number {
  if (!(x > lowest)) return 0;
  const step = (x * stepsPerUnit - 0.5) | 0;
  const rest = x - step * stepHigh - step * stepLow;
  const polynomial = rest * (1 + rest * (1 / 2 + rest * (1 / 6 + rest * (1 / 24))));
  const fraction = fractions[step & (steps - 1)]!;
  return powers[(step >> 8) + 1080]! * (fraction + fraction * polynomial);
}
