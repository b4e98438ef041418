import { JakiroError } from "../errors.ts";
import type { ModelConfig, RopeConfig } from "./checkpoint.ts";

/**
 * Refuses shapes that no decoder can have, so that code behind it may multiply and allocate without asking.
 * `ropeOf` is called for as many frequency divisors as a checked head has pairs.
 */
export function checkedConfig(
  path: string,
  shape: Omit<ModelConfig, "rope">,
  ropeOf: (pairs: number) => RopeConfig,
): ModelConfig {
  for (const [name, limit] of limits) {
    const value = shape[name];
    if (!Number.isSafeInteger(value) || value < 1 || value > limit) {
      throw new JakiroError(
        "model",
        `${path} gives its model ${value} as ${name} (1 to ${limit} are possible); fetch or convert it again.`,
      );
    }
  }
  if (shape.headDim % 2 !== 0 || shape.heads % shape.kvHeads !== 0) {
    throw new JakiroError(
      "model",
      `${path} has ${shape.heads} heads of ${shape.headDim} over ${shape.kvHeads} key heads, which do not go together; fetch or convert it again.`,
    );
  }
  const config = { ...shape, rope: ropeOf(shape.headDim / 2) };
  if (!(config.rmsEpsilon > 0 && config.rmsEpsilon < 1) || !(config.rope.base > 1 && config.rope.base < 1e15)) {
    throw new JakiroError(
      "model",
      `${path} has the norm epsilon ${config.rmsEpsilon} and the rotary base ${config.rope.base}, which cannot be; fetch or convert it again.`,
    );
  }
  if (!config.rope.frequencyDivisors.every((divisor) => divisor > 0 && Number.isFinite(divisor))) {
    throw new JakiroError(
      "model",
      `${path} has rope factors that are not positive numbers; fetch or convert it again.`,
    );
  }
  return config;
}

const limits = [
  ["hidden", 1 << 16],
  ["layers", 1 << 10],
  ["heads", 1 << 10],
  ["kvHeads", 1 << 10],
  ["headDim", 1 << 10],
  ["intermediate", 1 << 20],
  ["vocabulary", 1 << 22],
  ["contextLength", 1 << 30],
] as const;
