import { bind, type Dispatch, encoded, type Kernel } from "./kernels.ts";

/** Contents of a buffer. */
export type Words = Uint32Array | Int32Array | Float32Array;

/** Bits that no result consists of (a NaN): outputs hold them before a kernel runs. */
export const poison = 0x7fc5a5a5;

/** Buffers of kernels that run on data of this process: how the self-test and the tests look at a kernel. */
export class Trial {
  private readonly buffers: GPUBuffer[] = [];

  constructor(readonly device: GPUDevice) {}

  /** A storage buffer that holds these words. */
  buffer(words: Words): GPUBuffer {
    const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    return this.filled(words, STORAGE | COPY_SRC | COPY_DST);
  }

  /** A storage buffer of so many words that were never written. */
  poisoned(words: number): GPUBuffer {
    return this.buffer(new Uint32Array(words).fill(poison));
  }

  /** Fills buffers with what was never written. */
  poison(...buffers: readonly GPUBuffer[]): void {
    for (const buffer of buffers) this.write(buffer, new Uint32Array(buffer.size / 4).fill(poison));
  }

  /** Overwrites part of a buffer, whoever made it. */
  write(buffer: GPUBuffer, words: Words, firstWord = 0): void {
    const { byteOffset, byteLength } = words;
    this.device.queue.writeBuffer(buffer, 4 * firstWord, words.buffer as ArrayBuffer, byteOffset, byteLength);
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
    const encoder = encoded(device, dispatches);
    const copies = results.map((result) => {
      const { MAP_READ, COPY_DST } = GPUBufferUsage;
      const copy = device.createBuffer({ size: result.size, usage: MAP_READ | COPY_DST });
      encoder.copyBufferToBuffer(result, 0, copy, 0, result.size);
      return copy;
    });
    try {
      device.queue.submit([encoder.finish()]);
      const invalid = await device.popErrorScope();
      if (invalid !== null) throw new Error(invalid.message);
      await Promise.all(copies.map((copy) => copy.mapAsync(GPUMapMode.READ)));
      return copies.map((copy) => new Uint32Array(copy.getMappedRange().slice(0)));
    } finally {
      for (const copy of copies) copy.destroy();
    }
  }

  /** Runs dispatches in order, before what is written or read afterwards. */
  submit(dispatches: readonly Dispatch[]): void {
    this.device.queue.submit([encoded(this.device, dispatches).finish()]);
  }

  async read(buffer: GPUBuffer): Promise<Uint32Array<ArrayBuffer>> {
    const [words] = await this.run([], [buffer]);
    return words!;
  }

  /** Gives the device's memory back. */
  release(): void {
    for (const buffer of this.buffers) buffer.destroy();
    this.buffers.length = 0;
  }

  private filled(words: Words, usage: GPUBufferUsageFlags): GPUBuffer {
    const buffer = this.device.createBuffer({ size: words.byteLength, usage });
    this.buffers.push(buffer);
    this.write(buffer, words);
    return buffer;
  }
}
