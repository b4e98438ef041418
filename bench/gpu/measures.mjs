// What the GPU benchmark measures, apart from how it is told.
import { randomFillSync } from "node:crypto";
import { performance } from "node:perf_hooks";
import { product } from "../engine.mjs";
import { cycleHead } from "./cycleModel.mjs";
import { matricesOf, randomPack, weightBytes } from "./randomPack.mjs";

const copySource = `
@group(0) @binding(0) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < arrayLength(&source); i += groups.x * 256u) {
    output[i] = source[i];
  }
}`;
const emptySource = `
@group(0) @binding(0) var<storage, read_write> output: array<u32>;
@compute @workgroup_size(1)
fn main() {
  if (output[0] == 0xffffffffu) {
    output[0] = 0u;
  }
}`;
const copyGroups = 4096;
const emptyDispatches = 1000;
const kernelRepetitions = 20;
/** Weights that are read in turn must not fit into any cache. */
const beyondCaches = 512 << 20;
const chunkBytes = 16 << 20;
/** Rows of the largest tree that a round verifies by itself. */
const treeNodes = 60;
/** How much is measured: runs of which the fastest counts, and tokens that are decoded plainly, behind as many that are not timed. */
const thorough = { runs: 5, decodedTokens: 64 };

/**
 * Attention and its merge in a profile: keys and values read once for all rows, in GB/s, and multiplications and additions with every
 * key that a row sees, in GFLOP/s.
 */
function attentionOf({ layers, heads, kvHeads, headDim }, { rows, cached, kernels }) {
  const ms = kernels.filter(({ kernel }) => kernel.startsWith("attention")).reduce((sum, kernel) => sum + kernel.ms, 0);
  const bytes = layers * 2 * (cached + rows) * kvHeads * headDim * 4;
  const keys = rows * cached + (rows * (rows + 1)) / 2;
  const operations = layers * 4 * heads * headDim * keys;
  return { rows, ms, gigabytesPerSecond: bytes / ms / 1e6, gigaflops: operations / ms / 1e6 };
}

/** Milliseconds of a round while a text is decoded plainly, by this process's clock: the next is submitted before one is read. */
async function plainRoundMs(decoding, cached, decodedTokens) {
  const sequence = await decoding.open(undefined, product.ladderOf("plain", undefined, {}));
  const times = [];
  const sampling = product.greedy;
  await product.decodeOnDevice(sequence, {
    ...{ prompt: Array(cached).fill(0), maxTokens: 2 * decodedTokens, sampling, endTokens: new Set() },
    onRound: () => times.push(performance.now()),
  });
  sequence.release();
  return (times.at(-1) - times.at(-1 - decodedTokens)) / decodedTokens;
}

export class Measures {
  constructor(gpu, { runs, decodedTokens } = thorough) {
    this.gpu = gpu;
    this.runs = runs;
    this.decodedTokens = decodedTokens;
    this.timer = product.PassTimer.on(gpu);
    this.compiler = new product.KernelCompiler(gpu.device);
  }

  /** Milliseconds of the fastest of several passes with these dispatches, by the device's clock where it has one. */
  async fastest(dispatches) {
    let best = Number.POSITIVE_INFINITY;
    for (let run = 0; run < this.runs; run++) best = Math.min(best, await this.once(dispatches));
    return best;
  }

  async once(dispatches) {
    if (this.timer !== undefined) return (await this.timer.time([dispatches]))[0];
    const { queue } = this.gpu.device;
    const start = performance.now();
    queue.submit([this.encode(dispatches)]);
    await queue.onSubmittedWorkDone();
    return performance.now() - start;
  }

  encode(dispatches) {
    const encoder = this.gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    product.encode(pass, dispatches);
    pass.end();
    return encoder.finish();
  }

  /** Bytes read and written per second by a kernel that copies, in GB/s. */
  async copyBandwidth(wanted) {
    const bytes = Math.min(wanted, this.gpu.device.limits.maxStorageBufferBindingSize);
    const trial = new product.Trial(this.gpu.device);
    const kernel = await this.compiler.compile("copy", copySource);
    const buffers = [trial.poisoned(bytes / 4), trial.poisoned(bytes / 4)];
    const ms = await this.fastest([trial.dispatch(kernel, buffers, copyGroups)]);
    trial.release();
    return (2 * bytes) / ms / 1e6;
  }

  /** Microseconds of an empty dispatch on the device and of encoding one here. */
  async dispatchOverhead() {
    const trial = new product.Trial(this.gpu.device);
    const kernel = await this.compiler.compile("empty", emptySource);
    const dispatch = trial.dispatch(kernel, [trial.poisoned(4)], 1);
    const dispatches = Array(emptyDispatches).fill(dispatch);
    const deviceMs = await this.fastest(dispatches);
    let encodeMs = Number.POSITIVE_INFINITY;
    for (let run = 0; run < this.runs; run++) {
      const start = performance.now();
      this.encode(dispatches);
      encodeMs = Math.min(encodeMs, performance.now() - start);
    }
    trial.release();
    return { deviceUs: (1000 * deviceMs) / emptyDispatches, encodeUs: (1000 * encodeMs) / emptyDispatches };
  }

  /** The one-row product of each linear layer: bytes of its weights, and GB/s at which they are read. */
  async oneRow(config, format, cacheBytes = beyondCaches) {
    const kernels = this.kernels(config, format);
    const results = [];
    for (const [name, [inputs, outputs]] of Object.entries(matricesOf(config))) {
      if (format === "int4" && inputs % 128 !== 0) continue;
      const shape = { format: name === "down" ? product.blocksFormat(format) : format, inputs, outputs };
      const bytes = product.bytesPerWeight[format] * inputs * outputs;
      const { maxBufferSize, maxStorageBufferBindingSize } = this.gpu.device.limits;
      if (bytes > Math.min(maxBufferSize, maxStorageBufferBindingSize)) continue;
      const trial = new product.Trial(this.gpu.device);
      const kernel = await kernels.linear(shape, 1, false);
      const { input } = product.randomOperands({ ...shape, outputs: 1 }, 1, 1);
      const [x, output] = [trial.buffer(input), trial.poisoned(outputs)];
      const columns = trial.buffer(new Float32Array(2 * outputs).fill(0.01));
      const copies = Array.from({ length: Math.max(1, Math.ceil(cacheBytes / bytes)) }, () =>
        this.randomWeights(bytes),
      );
      const each = copies.map((weights) =>
        trial.dispatch(kernel, [x, weights, columns, output], kernels.linearGroups(shape)),
      );
      const dispatches = Array.from({ length: kernelRepetitions }, (_, i) => each[i % each.length]);
      const ms = (await this.fastest(dispatches)) / kernelRepetitions;
      results.push({ name, inputs, outputs, bytes, ms, gigabytesPerSecond: bytes / ms / 1e6 });
      for (const copy of copies) copy.destroy();
      trial.release();
    }
    return results;
  }

  /**
   * Forwards of so many rows behind each of the numbers of cached tokens, a plain round and one that verifies a tree, whole and kernel
   * by kernel. The device ends with it.
   */
  async verification(config, format, rowCounts, cachedCounts) {
    const pack = randomPack(config, format);
    const options = { capacity: Math.max(...cachedCounts) + 2 * this.decodedTokens + 128, sequences: 1 };
    const target = await product.GpuTarget.load(this.gpu, pack.checkpoint, pack.packed, options);
    pack.release();
    const decoding = new product.GpuDecoding(target, async () => cycleHead(config, 1), undefined);
    const contexts = [];
    for (const cached of cachedCounts) {
      const attention = [];
      for (const rows of [rowCounts[0], rowCounts.at(-1)]) {
        const profile = await product.profileForward(target, rows, cached);
        if (profile !== undefined) attention.push(attentionOf(config, profile));
      }
      const sequence = target.sequence();
      const rows = [];
      for (const count of rowCounts) {
        const deviceMs = await this.fastest(await product.layOutForward(target, sequence, count, cached));
        rows.push({ rows: count, deviceMs, wallMs: await this.forwardWall(sequence, count) });
      }
      sequence.release();
      const plain = await decoding.profile(undefined, 1, cached);
      const tree = await decoding.profile("jakiro", treeNodes, cached);
      const keyBytes = config.layers * 2 * cached * config.kvHeads * config.headDim * 4;
      const readBytes = weightBytes(config, format) + keyBytes;
      contexts.push({
        cached,
        rows,
        attention,
        plain,
        decodingMs: await plainRoundMs(decoding, cached, this.decodedTokens),
        readBytes,
        tree,
      });
    }
    await decoding.release();
    await target.release();
    return contexts;
  }

  /** From the call of a forward until its tokens are here. */
  async forwardWall(sequence, rows) {
    const chain = { tokens: Array(rows).fill(0), parents: Array.from({ length: rows }, (_, i) => i - 1) };
    let best = Number.POSITIVE_INFINITY;
    for (let run = 0; run < this.runs; run++) {
      const start = performance.now();
      await sequence.forward(chain, "argmax");
      best = Math.min(best, performance.now() - start);
    }
    return best;
  }

  kernels({ headDim }, format) {
    const shape = { heads: 1, kvHeads: 1, headDim, slots: 1, blocks: 1 };
    return new product.ForwardKernels(this.compiler, shape, product.isQuantized(format));
  }

  /** Bytes that compress to nothing less: memory that holds zeros may be faster. */
  randomWeights(bytes) {
    const { device } = this.gpu;
    const { STORAGE, COPY_DST } = GPUBufferUsage;
    const buffer = device.createBuffer({ size: Math.ceil(bytes / 4) * 4, usage: STORAGE | COPY_DST });
    this.noise ??= randomFillSync(new Uint8Array(chunkBytes));
    for (let at = 0; at < buffer.size; at += chunkBytes) {
      device.queue.writeBuffer(buffer, at, this.noise, 0, Math.min(chunkBytes, buffer.size - at));
    }
    return buffer;
  }
}
