import type { ModelConfig } from "../model/checkpoint.ts";
import { nearestHalf } from "../model/float16.ts";
import {
  type Check,
  type Fault,
  farthest,
  floats,
  nextInputFailures,
  plainRow,
  sameBits,
  valueFailures,
} from "./check.ts";
import type { KernelTrials } from "./kernelTrials.ts";
import { randomFloats, randomWords } from "./randomOperands.ts";
import { attention, embed, norm } from "./reference.ts";
import { attentionBlock } from "./targetKernels.ts";

/** What runs between the linear layers of a model. */
export function rowChecks(trials: KernelTrials, config: Pick<ModelConfig, "hidden" | "rmsEpsilon">): Check[] {
  return [normCheck(trials, config), embedCheck(trials, config.hidden), attentionCheck(trials)];
}

function normCheck(trials: KernelTrials, { hidden, rmsEpsilon }: Pick<ModelConfig, "hidden" | "rmsEpsilon">): Check {
  const rows = 3;
  const run: Check["run"] = async () => {
    const input = randomFloats(rows * hidden, 31);
    // A row of zeros divides by nothing.
    input.fill(0, 2 * hidden);
    const gains = randomFloats(2 * hidden, 32).map((value) => 1 + value / 2);
    const [plain, kept, picked, factors] = await Promise.all([
      trials.norm(input, gains, rmsEpsilon),
      trials.norm(input, gains, rmsEpsilon, { keep: "values" }),
      trials.norm(input, gains, rmsEpsilon, { picks: [...Array(rows).keys()] }),
      trials.norm(input, gains, -1),
    ]);
    const wanted = Array.from({ length: rows }, (_, row) => input.subarray(row * hidden, (row + 1) * hidden));
    const normed = wanted.map((values) => norm(values, gains, rmsEpsilon));
    const scaled = wanted.map((values) => norm(values, gains, -1));
    const features = farthest(floats(kept.features), Float64Array.from(normed.flatMap((row) => [...row.features])));
    return [
      ...nextInputFailures(
        trials,
        plain.output,
        normed.map(({ next }) => next),
      ),
      ...nextInputFailures(
        trials,
        factors.output,
        scaled.map(({ next }) => next),
      ),
      ...valueFailures(features),
      ...(sameBits(plain.output, kept.output) && sameBits(plain.output, picked.output)
        ? []
        : [{ fault: "rows" as const, message: "rows for the LM head have other bits than all rows" }]),
    ];
  };
  return { kernel: "norm", run };
}

function embedCheck(trials: KernelTrials, hidden: number): Check {
  const blocks = trials.kernels.quantize;
  const vocabulary = 5;
  const run: Check["run"] = async () => {
    const table = blocks
      ? randomWords((vocabulary * hidden) / 4, 41)
      : new Uint32Array(randomFloats(vocabulary * hidden, 41).buffer);
    const scales = blocks ? randomFloats(vocabulary * Math.ceil(hidden / 32), 42) : undefined;
    const tokens = [4, 0, 3, 3];
    const rows = tokens.map((token) => ({ ...plainRow(0), token }));
    const wanted = tokens.flatMap((token) => [...embed(table, scales, hidden, token)]);
    const output = floats(await trials.embed(table, scales, hidden, rows));
    return valueFailures(farthest(output, Float64Array.from(wanted)), 0);
  };
  return { kernel: "embed", run };
}

/** Both ends of an attention block, and paths whose slots lie apart; every row by itself and in tiles of every size. */
function attentionCheck(trials: KernelTrials): Check {
  const { shape } = trials.kernels;
  const { slots } = shape;
  const width = shape.heads * shape.headDim;
  const run: Check["run"] = async () => {
    const rows = [0, attentionBlock - 1, attentionBlock, slots - 1].map(plainRow);
    // A tile of rows that follow the same text, in the same slots and in others, and a row of another text among them.
    rows.push({ ...plainRow(131), contiguous: 129, path: 1 }, { ...plainRow(130), contiguous: 129, path: 0 });
    rows.push({ ...plainRow(100), region: 60 }, plainRow(200));
    const cache = randomFloats(2 * slots * shape.kvHeads * shape.headDim, 52);
    const operands = {
      ...shape,
      queries: randomFloats(rows.length * width, 51, 2),
      cache: shape.cacheFormat === "float16" ? cache.map(nearestHalf) : cache,
      paths: Uint32Array.of(0, 140, 290, 133),
    };
    const alone = await Promise.all(
      rows.map((row, i) =>
        trials.attention({ ...operands, queries: operands.queries.slice(i * width, (i + 1) * width) }, [row]),
      ),
    );
    const wanted = rows.map((row, i) => attention(operands, row, i));
    const faults: Fault[] = [];
    for (const tile of trials.kernels.attentionTiles) {
      const all = await trials.attention(operands, rows, { tile });
      faults.push(...nextInputFailures(trials, all, wanted));
      const stride = all.length / rows.length;
      if (alone.some((bits, i) => !sameBits(bits, all.slice(i * stride, (i + 1) * stride))))
        faults.push({ fault: "rows", tile, message: "a row has other bits beside other rows" });
    }
    return faults;
  };
  return { kernel: "attention", run };
}
