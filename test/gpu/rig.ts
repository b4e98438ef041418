import type { GpuDevice } from "../../src/engine/gpu/device.ts";
import { type Dispatch, encode, KernelCompiler } from "../../src/engine/gpu/kernels.ts";
import { openTestDevice } from "./testDevice.ts";

/** Bits that no result consists of: outputs hold them before a kernel runs. */
export const poison = 0x7fc5a5a5;

/** A device with what tests of kernels need. Fails where there is none, software adapters included. */
export class Rig {
  readonly compiler: KernelCompiler;

  private constructor(readonly gpu: GpuDevice) {
    this.compiler = new KernelCompiler(gpu.device);
  }

  static async open(): Promise<Rig> {
    return new Rig(await openTestDevice());
  }

  get device(): GPUDevice {
    return this.gpu.device;
  }

  /** A buffer that holds these words. */
  buffer(words: Uint32Array | Int32Array | Float32Array): GPUBuffer {
    const buffer = this.poisoned(words.length);
    this.write(buffer, words);
    return buffer;
  }

  poisoned(words: number): GPUBuffer {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = this.device.createBuffer({ size: words * 4, usage });
    this.poison(buffer);
    return buffer;
  }

  poison(...buffers: readonly GPUBuffer[]): void {
    for (const buffer of buffers) this.write(buffer, new Uint32Array(buffer.size / 4).fill(poison));
  }

  write(buffer: GPUBuffer, words: Uint32Array | Int32Array | Float32Array, firstWord = 0): void {
    this.device.queue.writeBuffer(
      buffer,
      firstWord * 4,
      words.buffer as ArrayBuffer,
      words.byteOffset,
      words.byteLength,
    );
  }

  run(dispatches: readonly Dispatch[]): void {
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass, dispatches);
    pass.end();
    this.device.queue.submit([encoder.finish()]);
  }

  async read(buffer: GPUBuffer): Promise<Uint32Array> {
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const copy = this.device.createBuffer({ size: buffer.size, usage });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, copy, 0, buffer.size);
    this.device.queue.submit([encoder.finish()]);
    await copy.mapAsync(GPUMapMode.READ);
    const words = new Uint32Array(copy.getMappedRange().slice(0));
    copy.destroy();
    return words;
  }

  async readFloats(buffer: GPUBuffer): Promise<Float32Array> {
    return new Float32Array((await this.read(buffer)).buffer);
  }

  close(): void {
    this.device.destroy();
  }
}

/** Numbers in [0, 1) that one seed fixes. */
export function randomSource(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 12), 0x297a2d39);
    mixed ^= mixed >>> 15;
    return (mixed >>> 0) / 2 ** 32;
  };
}

/** Different integers in 0 .. limit - 1. */
export function distinct(random: () => number, count: number, limit: number): number[] {
  const found = new Set<number>();
  while (found.size < count) found.add(Math.floor(random() * limit));
  return [...found];
}
