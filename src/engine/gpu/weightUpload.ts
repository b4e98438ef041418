import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import type { PackedVector } from "../cpu/decoderLayer.ts";
import type { PackedMatrix } from "../cpu/linear.ts";
import type { ExternalData } from "../cpu/onnxWriter.ts";
import type { WeightFormat } from "../cpu/packMatrix.ts";
import type { MemorySink } from "../cpu/weightSink.ts";
import { JakiroError } from "../errors.ts";
import type { Checkpoint } from "../model/checkpoint.ts";
import { halfToFloat } from "../model/float16.ts";

/** A weight matrix on the device, in the layout of kernels/linear*.wgsl. */
export interface GpuMatrix {
  readonly format: WeightFormat;
  /** Rounded up as the kernel wants it; the added inputs weigh nothing. */
  readonly inputs: number;
  readonly outputs: number;
  readonly weights: GPUBuffer;
  /** [outputs] (value of one step, 1 where the format has none for a whole column; bias). */
  readonly columns: GPUBuffer;
}

/** A table of embeddings on the device, in the layout of kernels/embed.wgsl. */
export interface GpuEmbedding {
  readonly blocks: boolean;
  readonly table: GPUBuffer;
  readonly scales: GPUBuffer;
}

/** Bytes that are on their way to the device at a time: what a queue holds back is memory of this process. */
const defaultChunkBytes = 16 << 20;
/** Inputs that share a scale in an embedding row, as in GGUF's Q8_0, which therefore loses nothing. */
const embeddingBlock = 32;
/** Inputs that share a scale in an int4 matrix. */
const int4Block = 128;

/** Where packed weights are read from. */
export interface WeightSource {
  read(data: ExternalData, offset: number, length: number): Uint8Array<ArrayBuffer>;
}

export interface WeightUploadOptions {
  /** Bytes of a pack that are read at a time. */
  readonly chunkBytes?: number;
  /** Whether float16 weights become float32 on the device, for kernels that read nothing else: the same numbers. */
  readonly widened?: boolean;
}

/** Brings packed weights to a device; the buffers belong to the caller of `release`. */
export class WeightUpload {
  private readonly buffers: GPUBuffer[] = [];
  private readonly chunkBytes: number;
  private readonly widened: boolean;

  constructor(
    private readonly device: GPUDevice,
    private readonly source: WeightSource,
    { chunkBytes = defaultChunkBytes, widened = false }: WeightUploadOptions = {},
  ) {
    this.chunkBytes = chunkBytes;
    this.widened = widened;
  }

  /** Gives the device's memory back. */
  release(): void {
    for (const buffer of this.buffers) buffer.destroy();
    this.buffers.length = 0;
  }

  /** A matrix, its inputs padded to a multiple of `alignment`; int4 matrices have whole blocks of 128 and need none. */
  async matrix(packed: PackedMatrix, alignment: number, bias?: PackedVector): Promise<GpuMatrix> {
    const { outputs } = packed;
    const inputs = Math.ceil(packed.inputs / alignment) * alignment;
    const weights = await this.weights(packed, inputs);
    const columns = new Float32Array(outputs * 2);
    const scales = packed.format === "int8" ? this.floats(packed.scales) : new Float32Array(outputs).fill(1);
    const biases = bias === undefined ? new Float32Array(outputs) : this.floats(bias.data);
    for (let column = 0; column < outputs; column++) {
      columns[2 * column] = scales[column]!;
      columns[2 * column + 1] = biases[column]!;
    }
    const format = packed.format === "float16" && this.widened ? "float32" : packed.format;
    return { format, inputs, outputs, weights, columns: this.filled(`${packed.name}.columns`, columns) };
  }

  /** A norm's gains beside the factors that bring its result to the next product's input, [width] pairs. */
  gains(gain: PackedVector | undefined, factor: PackedVector | undefined, width: number): GPUBuffer {
    const pairs = new Float32Array(2 * width).fill(1);
    for (const [offset, vector] of [gain, factor].entries()) {
      if (vector === undefined) continue;
      const values = this.floats(vector.data);
      for (let i = 0; i < width; i++) pairs[2 * i + offset] = values[i]!;
    }
    return this.filled(gain?.name ?? factor?.name ?? "gains", pairs);
  }

  /** The model's embeddings: int8 steps in blocks of 32, or float32 for models that are to lose nothing. */
  async embedding(checkpoint: Checkpoint, blocks: boolean): Promise<GpuEmbedding> {
    const { hidden, vocabulary } = checkpoint.config;
    const table = this.buffer("embedding", vocabulary * hidden * (blocks ? 1 : 4));
    const perRow = Math.ceil(hidden / embeddingBlock);
    const scales = this.buffer("embedding.scales", blocks ? vocabulary * perRow * 4 : 4);
    const rowsAtATime = Math.max(1, Math.floor(this.chunkBytes / (hidden * 4)));
    const values = new Float32Array(rowsAtATime * hidden);
    for (let first = 0; first < vocabulary; first += rowsAtATime) {
      const count = Math.min(rowsAtATime, vocabulary - first);
      const rows = checkpoint.readRows("embedding", first, count, values).subarray(0, count * hidden);
      if (blocks) {
        const packed = quantizeBlocks(rows, hidden);
        await this.write(table, first * hidden, packed.steps);
        await this.write(scales, first * perRow * 4, packed.scales);
      } else {
        await this.write(table, first * hidden * 4, rows);
      }
    }
    return { blocks, table, scales };
  }

  /** A buffer with these contents. */
  filled(label: string, data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>): GPUBuffer {
    const buffer = this.buffer(label, data.byteLength);
    this.device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  }

  /** A uniform of up to four words. */
  uniform(label: string, words: readonly number[]): GPUBuffer {
    const { UNIFORM, COPY_DST } = GPUBufferUsage;
    const buffer = this.device.createBuffer({ label, size: 16, usage: UNIFORM | COPY_DST });
    this.buffers.push(buffer);
    this.device.queue.writeBuffer(buffer, 0, Uint32Array.from(words));
    return buffer;
  }

  private async weights(packed: PackedMatrix, inputs: number): Promise<GPUBuffer> {
    const { name, outputs } = packed;
    switch (packed.format) {
      case "float32": {
        const buffer = this.buffer(name, inputs * outputs * 4);
        await this.writeRaw(packed.weights, buffer);
        return buffer;
      }
      case "float16": {
        const buffer = this.buffer(name, inputs * outputs * (this.widened ? 4 : 2));
        if (this.widened) await this.writeWidened(packed.weights, buffer);
        else await this.writeInterleaved(packed, 2, buffer);
        return buffer;
      }
      case "int8": {
        const buffer = this.buffer(name, inputs * outputs);
        await this.writeInterleaved(packed, 1, buffer);
        return buffer;
      }
      case "int4": {
        const buffer = this.buffer(name, int4Rows(inputs) * outputs * 4);
        await this.writeInt4(packed, buffer);
        return buffer;
      }
    }
  }

  private buffer(label: string, bytes: number): GPUBuffer {
    const { STORAGE, COPY_DST } = GPUBufferUsage;
    const buffer = this.device.createBuffer({ label, size: Math.ceil(bytes / 4) * 4, usage: STORAGE | COPY_DST });
    this.buffers.push(buffer);
    return buffer;
  }

  /** [inputs, outputs] numbers of `width` bytes into words of neighbouring inputs, [inputs * width / 4, outputs]. */
  private async writeInterleaved(packed: PackedMatrix, width: 1 | 2, buffer: GPUBuffer): Promise<void> {
    const { inputs, outputs, weights } = packed;
    const perWord = 4 / width;
    const step = Math.max(1, Math.floor(this.chunkBytes / (4 * outputs))) * perWord;
    for (let first = 0; first < inputs; first += step) {
      const count = Math.min(step, inputs - first);
      const bytes = this.source.read(weights, first * outputs * width, count * outputs * width);
      const numbers = width === 1 ? bytes : new Uint16Array(bytes.buffer);
      await this.write(buffer, first * outputs * width, interleave(numbers, count, outputs));
    }
  }

  /** [outputs, inputs / 128] blocks become 17 rows of words each, [17 * inputs / 128, outputs]. */
  private async writeInt4(packed: PackedMatrix & { format: "int4" }, buffer: GPUBuffer): Promise<void> {
    const { inputs, outputs, weights } = packed;
    const scales = this.floats(packed.scales);
    const blocks = inputs / int4Block;
    const step = Math.min(outputs, Math.max(1, Math.floor(this.chunkBytes / (inputs / 2))));
    for (let first = 0; first < outputs; first += step) {
      const count = Math.min(step, outputs - first);
      const bytes = this.source.read(weights, (first * inputs) / 2, (count * inputs) / 2);
      const words = interleaveInt4(bytes, scales.subarray(first * blocks, (first + count) * blocks), inputs);
      const rows = int4Rows(inputs);
      const rowsAtATime = count === outputs ? rows : 1;
      for (let row = 0; row < rows; row += rowsAtATime) {
        const part = words.subarray(row * count, (row + rowsAtATime) * count);
        await this.write(buffer, (row * outputs + first) * 4, part);
      }
    }
  }

  private async writeRaw(data: ExternalData, buffer: GPUBuffer): Promise<void> {
    for (let first = 0; first < data.length; first += this.chunkBytes) {
      await this.write(buffer, first, this.source.read(data, first, Math.min(this.chunkBytes, data.length - first)));
    }
  }

  /** Halves as the float32 that each of them stands for. */
  private async writeWidened(data: ExternalData, buffer: GPUBuffer): Promise<void> {
    for (let first = 0; first < data.length; first += this.chunkBytes) {
      const bytes = this.source.read(data, first, Math.min(this.chunkBytes, data.length - first));
      await this.write(
        buffer,
        2 * first,
        Float32Array.from(new Uint16Array(bytes.buffer), (half) => halfToFloat[half]!),
      );
    }
  }

  private async write(buffer: GPUBuffer, offset: number, data: ArrayBufferView): Promise<void> {
    const { queue } = this.device;
    queue.writeBuffer(buffer, offset, data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    await queue.onSubmittedWorkDone();
  }

  private floats(data: ExternalData): Float32Array {
    const bytes = this.source.read(data, 0, data.length);
    return new Float32Array(bytes.buffer, 0, bytes.length / 4);
  }
}

/** Four rows of bytes [rows, columns], or two of halves, become one row of words, the first row low; missing rows are zero. */
export function interleave(numbers: Uint8Array | Uint16Array, rows: number, columns: number): Uint32Array<ArrayBuffer> {
  const width = numbers.BYTES_PER_ELEMENT;
  const perWord = 4 / width;
  const words = new Uint32Array(Math.ceil(rows / perWord) * columns);
  for (let row = 0; row < rows; row++) {
    const shift = 8 * width * (row % perWord);
    const target = Math.floor(row / perWord) * columns;
    const source = row * columns;
    for (let column = 0; column < columns; column++) words[target + column]! |= numbers[source + column]! << shift;
  }
  return words;
}

/**
 * int4 weights as MatMulNBits has them, [outputs, inputs / 128, 64 bytes] around 8 with the low nibble first, and their scales
 * [outputs, inputs / 128] in the layout of kernels/linearInt4.wgsl: [inputs / 128, 17, outputs].
 */
export function interleaveInt4(
  bytes: Uint8Array<ArrayBuffer>,
  scales: Float32Array,
  inputs: number,
): Uint32Array<ArrayBuffer> {
  const source = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const outputs = source.length / (inputs / 8);
  const words = new Uint32Array(int4Rows(inputs) * outputs);
  const floats = new Float32Array(words.buffer);
  const perBlock = int4Block / 8;
  const blocks = inputs / int4Block;
  for (let output = 0; output < outputs; output++) {
    for (let block = 0; block < blocks; block++) {
      const from = (output * blocks + block) * perBlock;
      const to = block * (perBlock + 1) * outputs + output;
      for (let i = 0; i < perBlock; i++) {
        // Steps around 8 become two's complement by turning their highest bit over.
        const steps = source[from + i]! ^ 0x88888888;
        words[to + i * outputs] = spread(steps & 0xffff) | (spread(steps >>> 16) << 4);
      }
      // The kernel multiplies by weights that are 16 times too large.
      floats[to + perBlock * outputs] = scales[output * blocks + block]! / 16;
    }
  }
  return words;
}

/** Four nibbles to the low halves of four bytes. */
function spread(nibbles: number): number {
  const pairs = (nibbles | (nibbles << 8)) & 0x00ff00ff;
  return (pairs | (pairs << 4)) & 0x0f0f0f0f;
}

/** Rows of words of an int4 matrix. */
function int4Rows(inputs: number): number {
  return (inputs / int4Block) * (int4Block / 8 + 1);
}

/** Rows [n, width] as int8 steps, and the value of one step for every 32 of a row. */
export function quantizeBlocks(
  values: Float32Array,
  width: number,
): { steps: Int8Array<ArrayBuffer>; scales: Float32Array<ArrayBuffer> } {
  const rows = values.length / width;
  const perRow = Math.ceil(width / embeddingBlock);
  const steps = new Int8Array(values.length);
  const scales = new Float32Array(rows * perRow);
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < perRow; block++) {
      const start = row * width + block * embeddingBlock;
      const end = Math.min(start + embeddingBlock, (row + 1) * width);
      let largest = 0;
      for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(values[i]!));
      const scale = Math.fround(largest / 127);
      scales[row * perRow + block] = scale;
      for (let i = start; i < end; i++) steps[i] = scale > 0 ? Math.round(values[i]! / scale) : 0;
    }
  }
  return { steps, scales };
}

/** The data files of a pack. */
export class PackFiles implements WeightSource {
  private readonly descriptors = new Map<string, number>();

  constructor(private readonly directory: string) {}

  read(data: ExternalData, offset: number, length: number): Uint8Array<ArrayBuffer> {
    let descriptor = this.descriptors.get(data.location);
    if (descriptor === undefined) {
      descriptor = openSync(join(this.directory, data.location), "r");
      this.descriptors.set(data.location, descriptor);
    }
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const count = readSync(descriptor, bytes, done, length - done, data.offset + offset + done);
      if (count === 0)
        throw new JakiroError(
          "model",
          `The packed model ${this.directory} is cut short; remove it, and it is made again.`,
        );
      done += count;
    }
    return bytes;
  }

  close(): void {
    for (const descriptor of this.descriptors.values()) closeSync(descriptor);
    this.descriptors.clear();
  }
}

/** What a MemorySink has taken. */
export function memorySource(sink: MemorySink): WeightSource {
  const contents = sink.contents();
  return {
    read: (data, offset, length) =>
      Uint8Array.from(contents.subarray(data.offset + offset, data.offset + offset + length)),
  };
}
