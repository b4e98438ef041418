import { philox2x32, uniform } from "../decoding/random.ts";
import { floatToHalf } from "../model/float16.ts";
import type { Operands } from "./reference.ts";
import { hasFloats, inputAlignment, inputWords, type LinearShape } from "./targetKernels.ts";

/** Words that depend on the seed alone. */
export function randomWords(count: number, seed: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(count);
  for (let i = 0; i < count; i += 2) [words[i], words[i + 1]] = philox2x32(i, 0, seed) as [number, number];
  return words;
}

/** Numbers between -size and size that depend on the seed alone. */
export function randomFloats(count: number, seed: number, size = 1): Float32Array<ArrayBuffer> {
  return Float32Array.from(randomWords(count, seed), (word) => (word / 2 ** 31 - 1) * size);
}

/** Numbers in [0, 1) that the seed alone decides, one after the other. */
export function randomNumbers(seed: number): () => number {
  let position = 0;
  return () => uniform(seed, position++);
}

/** What random operands consist of besides random steps. */
export interface OperandNumbers {
  /** Largest magnitude of a row's input. */
  readonly largest: (row: number) => number;
  /** Power of two that is the scale of 32 inputs. */
  readonly blockScale: (index: number) => number;
  /** Value of a step of a column's weights, or of 128 of them. */
  readonly weightScale: (index: number) => number;
  readonly bias: (column: number) => number;
  /** Weights and inputs where both are floats. */
  readonly value: (random: number) => number;
}

/** A product with random steps; its outputs are of the size of 1 unless `numbers` says otherwise. */
export function randomOperands(
  { format, inputs, outputs }: LinearShape,
  rows: number,
  seed: number,
  numbers: Partial<OperandNumbers> = {},
): Operands {
  const padded = Math.ceil(inputs / inputAlignment[format]) * inputAlignment[format];
  const shape = { format, inputs: padded, outputs };
  const scales = randomFloats(4096, seed + 1);
  const drawn = (index: number) => 1 + scales[index % scales.length]! / 2;
  const {
    largest = drawn,
    blockScale = (index) => 2 ** (-7 - (index % 5)),
    weightScale = (index) => drawn(7 * index) / (64 * Math.sqrt(padded)),
    bias = (column) => scales[(3 * column) % scales.length]!,
    value = (random) => random / Math.sqrt(padded),
  } = numbers;
  const input = randomWords(rows * inputWords(format, padded), seed + 2);
  const weights = randomWords(weightWords(shape), seed + 3);
  fillInput(shape, input, rows, { largest, blockScale, value });
  const columns = new Float32Array(2 * outputs).map((_, i) => (i % 2 === 0 ? weightScale(i / 2) : bias((i - 1) / 2)));
  if (format === "float32") fillFloats(weights, value);
  if (format === "float16") fillHalves(weights, value);
  if (format === "int4" || format === "int4-blocks") fillInt4Scales(shape, weights, weightScale);
  return { shape, input, weights, columns };
}

function weightWords({ format, inputs, outputs }: LinearShape): number {
  switch (format) {
    case "float32":
      return inputs * outputs;
    case "float16":
      return (inputs / 2) * outputs;
    case "int8":
    case "int8-blocks":
      return (inputs / 4) * outputs;
    case "int4":
    case "int4-blocks":
      return ((inputs * 17) / 128) * outputs;
  }
}

function fillInput(
  { format, inputs }: LinearShape,
  input: Uint32Array<ArrayBuffer>,
  rows: number,
  { largest, blockScale, value }: Pick<OperandNumbers, "largest" | "blockScale" | "value">,
): void {
  if (hasFloats(format)) {
    fillFloats(input, value);
    return;
  }
  const floats = new Float32Array(input.buffer);
  const stride = inputWords(format, inputs);
  for (let row = 0; row < rows; row++) {
    const first = row * stride + inputs / 4;
    if (format === "int8" || format === "int4") {
      floats[first] = largest(row);
      continue;
    }
    for (let block = 0; block < inputs / 32; block++) floats[first + block] = blockScale(row + block);
  }
}

function fillFloats(words: Uint32Array<ArrayBuffer>, value: (random: number) => number): void {
  const floats = new Float32Array(words.buffer);
  for (let i = 0; i < words.length; i++) floats[i] = value(words[i]! / 2 ** 31 - 1);
}

/** Two halves to a word; each takes its number from the whole word. */
function fillHalves(words: Uint32Array<ArrayBuffer>, value: (random: number) => number): void {
  for (let i = 0; i < words.length; i++) {
    const low = value(words[i]! / 2 ** 31 - 1);
    const high = value(((words[i]! * 2654435761) % 2 ** 32) / 2 ** 31 - 1);
    words[i] = floatToHalf(low) | (floatToHalf(high) << 16);
  }
}

function fillInt4Scales(
  { inputs, outputs }: LinearShape,
  weights: Uint32Array<ArrayBuffer>,
  weightScale: (index: number) => number,
): void {
  const floats = new Float32Array(weights.buffer);
  for (let block = 0; block < inputs / 128; block++) {
    const first = (17 * block + 16) * outputs;
    for (let column = 0; column < outputs; column++) floats[first + column] = weightScale(block * outputs + column);
  }
}
