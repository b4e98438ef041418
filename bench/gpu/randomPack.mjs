// Packs of random weights in the shapes of known models: how long a forward takes depends on shapes alone.
import { randomFillSync } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { product } from "../engine.mjs";

const chunkBytes = 1 << 24;
const int4Block = 128;

const common = { architecture: "qwen2", contextLength: 32768, rmsEpsilon: 1e-6, tiedEmbeddings: true };
const rope = (headDim) => ({ base: 1e6, frequencyDivisors: new Float32Array(headDim / 2).fill(1) });
const shape = (name, numbers) => ({ name, config: { ...common, ...numbers, rope: rope(numbers.headDim) } });

/** Qwen2.5-Coder's shapes. */
export const models = [
  shape("0.5B", {
    hidden: 896,
    layers: 24,
    heads: 14,
    kvHeads: 2,
    headDim: 64,
    intermediate: 4864,
    vocabulary: 151936,
  }),
  shape("1.5B", {
    hidden: 1536,
    layers: 28,
    heads: 12,
    kvHeads: 2,
    headDim: 128,
    intermediate: 8960,
    vocabulary: 151936,
  }),
];

/** A model that a software adapter can run. */
export const tinyModels = [
  shape("tiny", { hidden: 128, layers: 2, heads: 4, kvHeads: 2, headDim: 32, intermediate: 256, vocabulary: 500 }),
];

/** Linear layers of a model: [name, inputs, outputs]. */
export function matricesOf({ hidden, heads, kvHeads, headDim, intermediate, vocabulary }) {
  return {
    qkv: [hidden, (heads + 2 * kvHeads) * headDim],
    o: [heads * headDim, hidden],
    gateUp: [hidden, 2 * intermediate],
    down: [intermediate, hidden],
    lmHead: [hidden, vocabulary],
  };
}

/** Bytes of all weights that a plain round reads. */
export function weightBytes(config, format) {
  const { lmHead, ...layer } = matricesOf(config);
  const bytesOf = ([inputs, outputs]) => inputs * outputs * product.bytesPerWeight[formatFor(format, inputs)];
  return Object.values(layer).reduce((sum, matrix) => sum + config.layers * bytesOf(matrix), bytesOf(lmHead));
}

/** Matrices without whole blocks of int4 keep 8 bits. */
function formatFor(format, inputs) {
  return format === "int4" && inputs % int4Block !== 0 ? "int8" : format;
}

/**
 * Writes one folder that stands for a pack of the model; `release` removes it. All matrices read the same random bytes, and
 * all scales, gains and biases the same number: what is uploaded has its own place on the device nevertheless.
 */
export function randomPack(config, format) {
  const directory = mkdtempSync(join(tmpdir(), "jakiro-bench-"));
  const matrices = matricesOf(config);
  const formatOf = (inputs) => formatFor(format, inputs);
  const bytesOf = ([inputs, outputs]) => inputs * outputs * { int4: 0.5, int8: 1, float32: 4 }[formatOf(inputs)];
  const scalesOf = ([inputs, outputs]) => outputs * (formatOf(inputs) === "int4" ? inputs / int4Block : 1);
  const sizes = Object.values(matrices);
  writeRandom(join(directory, "random.bin"), Math.max(...sizes.map(bytesOf)));
  const numbers = Math.max(...sizes.map(scalesOf), config.hidden, matrices.qkv[1]);
  writeNumbers(join(directory, "numbers.bin"), numbers);

  const data = (location, length) => ({ location, offset: 0, length });
  const vector = (name, length) => ({ name, length, data: data("numbers.bin", 4 * length) });
  const matrix = (name) => {
    const [inputs, outputs] = matrices[name];
    const weights = data("random.bin", bytesOf(matrices[name]));
    const scales = data("numbers.bin", 4 * scalesOf(matrices[name]));
    return { name, inputs, outputs, format: formatOf(inputs), weights, scales, block: int4Block };
  };
  const layer = () => ({
    qkv: matrix("qkv"),
    qkvBias: vector("qkvBias", matrices.qkv[1]),
    o: matrix("o"),
    gateUp: matrix("gateUp"),
    down: matrix("down"),
    attentionNorm: vector("attentionNorm", config.hidden),
    mlpNorm: vector("mlpNorm", config.hidden),
  });
  const weights = {
    layers: Array.from({ length: config.layers }, layer),
    outputNorm: vector("outputNorm", config.hidden),
    lmHead: matrix("lmHead"),
    unsmooth: vector("unsmooth", config.hidden),
  };
  return {
    packed: { directory, format, weights },
    checkpoint: { config, readRows: (_name, _first, _count, into) => into.fill(0.5) },
    release: () => rmSync(directory, { recursive: true }),
  };
}

function writeRandom(path, bytes) {
  const chunk = randomFillSync(new Uint8Array(Math.min(bytes, chunkBytes)));
  const file = openSync(path, "wx");
  for (let written = 0; written < bytes; )
    written += writeSync(file, chunk, 0, Math.min(chunk.length, bytes - written));
  closeSync(file);
}

function writeNumbers(path, count) {
  const file = openSync(path, "wx");
  writeSync(file, new Float32Array(count).fill(0.01));
  closeSync(file);
}
