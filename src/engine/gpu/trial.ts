import { bind, type Dispatch, encode, type Kernel } from "./kernels.ts";

/** Contents of a buffer. */
export type Words = Uint32Array | Float32Array;

/** Bits that no result consists of (a NaN): outputs hold them before a kernel runs. */
export const poison = 0x7fc5a5a5;

/** Buffers of kernels that run once, on data of this process: how the self-test and the tests look at a kernel. */
export class Trial {
  private readonly buffers: GPUBuffer[] = [];

  constructor(private readonly device: GPUDevice) {}

  /** A storage buffer that holds these words. */
  buffer(words: Words): GPUBuffer {
    const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    return this.filled(words, STORAGE | COPY_SRC | COPY_DST);
  }

  /** A storage buffer of so many words that were never written. */
  poisoned(words: number): GPUBuffer {
    return this.buffer(new Uint32Array(words).fill(poison));
  }

  /** A uniform of up to four words. */
  uniform(...words: readonly number[]): GPUBuffer {
    return this.filled(
      Uint32Array.from({ length: 4 }, (_, i) => words[i] ?? 0),
      GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    );
  }

  dispatch(kernel: Kernel, buffers: readonly GPUBuffer[], ...workgroups: [number, number?, number?]): Dispatch {
    return { kernel, bindings: bind(this.device, kernel, buffers), workgroups };
  }

  /** Runs dispatches in order; returns what the buffers hold afterwards. Throws Error where the device refuses them. */
  async run(dispatches: readonly Dispatch[], results: readonly GPUBuffer[]): Promise<Uint32Array<ArrayBuffer>[]> {
    const { device } = this;
    device.pushErrorScope("validation");
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass, dispatches);
    pass.end();
    const copies = results.map((result) => {
      const copy = this.create(result.size, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
      encoder.copyBufferToBuffer(result, 0, copy, 0, result.size);
      return copy;
    });
    device.queue.submit([encoder.finish()]);
    const invalid = await device.popErrorScope();
    if (invalid !== null) throw new Error(invalid.message);
    await Promise.all(copies.map((copy) => copy.mapAsync(GPUMapMode.READ)));
    return copies.map((copy) => new Uint32Array(copy.getMappedRange().slice(0)));
  }

  /** Gives the device's memory back. */
  release(): void {
    for (const buffer of this.buffers) buffer.destroy();
    this.buffers.length = 0;
  }

  private filled(words: Words, usage: GPUBufferUsageFlags): GPUBuffer {
    const buffer = this.create(words.byteLength, usage);
    this.device.queue.writeBuffer(buffer, 0, words.buffer as ArrayBuffer, words.byteOffset, words.byteLength);
    return buffer;
  }

  private create(size: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const buffer = this.device.createBuffer({ size, usage });
    this.buffers.push(buffer);
    return buffer;
  }
}
