import { closeSync, openSync, writeSync } from "node:fs";
import { basename } from "node:path";
import type { PackedVector } from "./decoderLayer.ts";
import type { ExternalData } from "./onnxWriter.ts";

/** Takes packed weights one after the other and says where each came to lie. */
export interface WeightSink {
  append(data: NodeJS.TypedArray): ExternalData;
}

/** Alignment of each tensor in a data file: lets the runtime map it on every platform. */
const alignment = 4096;

/** Weights on their way into a file next to the graph that refers to it. */
export class FileSink implements WeightSink {
  private offset = 0;

  private constructor(
    private readonly descriptor: number,
    private readonly location: string,
  ) {}

  /** Has `use` fill a new file, which is closed whatever happens. */
  static async into<Result>(path: string, use: (sink: FileSink) => Promise<Result> | Result): Promise<Result> {
    const descriptor = openSync(path, "wx");
    try {
      return await use(new FileSink(descriptor, basename(path)));
    } finally {
      closeSync(descriptor);
    }
  }

  append(data: NodeJS.TypedArray): ExternalData {
    const offset = Math.ceil(this.offset / alignment) * alignment;
    const bytes = bytesOf(data);
    for (let written = 0; written < bytes.length; ) {
      written += writeSync(this.descriptor, bytes, written, bytes.length - written, offset + written);
    }
    this.offset = offset + bytes.length;
    return { location: this.location, offset, length: bytes.length };
  }
}

/** Weights of a graph that lives only as long as this process needs it. */
export class MemorySink implements WeightSink {
  static readonly location = "memory";
  private readonly parts: Uint8Array[] = [];
  private length = 0;

  append(data: NodeJS.TypedArray): ExternalData {
    const bytes = bytesOf(data);
    const placed = { location: MemorySink.location, offset: this.length, length: bytes.length };
    this.parts.push(bytes);
    this.length += bytes.length;
    return placed;
  }

  contents(): Uint8Array {
    return Buffer.concat(this.parts);
  }
}

export function packVector(sink: WeightSink, name: string, values: Float32Array): PackedVector {
  return { name, length: values.length, data: sink.append(values) };
}

function bytesOf(data: NodeJS.TypedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
