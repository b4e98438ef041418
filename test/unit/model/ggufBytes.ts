/** A metadata value with its type, or raw bytes that stand where type and value belong. */
export type Entry = { readonly type: number; readonly bytes: Buffer };

export interface TensorBytes {
  readonly name: string;
  /** ggml order: columns first. */
  readonly dimensions: readonly (number | bigint)[];
  readonly type: number;
  readonly data: Uint8Array;
  /** In place of the offset that follows from the data before. */
  readonly offset?: number | bigint;
}

export interface GgufParts {
  readonly version?: number;
  readonly metadata: Readonly<Record<string, Entry>>;
  readonly tensors: readonly TensorBytes[];
  readonly alignment?: number;
  readonly tensorCount?: bigint;
  readonly entryCount?: bigint;
}

export const u32 = (value: number): Entry => ({ type: 4, bytes: word(value) });
export const f32 = (value: number): Entry => ({ type: 6, bytes: Buffer.from(Float32Array.of(value).buffer) });
export const flag = (value: boolean): Entry => ({ type: 7, bytes: Buffer.from([value ? 1 : 0]) });
export const text = (value: string): Entry => ({ type: 8, bytes: string(value) });
export const texts = (values: readonly string[]): Entry => array(8, values.length, Buffer.concat(values.map(string)));
export const i32s = (values: readonly number[]): Entry =>
  array(5, values.length, Buffer.from(Int32Array.from(values).buffer));
export const array = (type: number, count: number | bigint, bytes: Buffer): Entry => ({
  type: 9,
  bytes: Buffer.concat([word(type), long(count), bytes]),
});

/** Writes a GGUF file, with whatever is wrong in its parts. */
export function ggufBytes(parts: GgufParts): Buffer {
  const alignment = parts.alignment ?? 32;
  const entries = Object.entries(parts.metadata);
  const header: Buffer[] = [
    Buffer.from("GGUF"),
    word(parts.version ?? 3),
    long(parts.tensorCount ?? parts.tensors.length),
    long(parts.entryCount ?? entries.length),
    ...entries.flatMap(([key, { type, bytes }]) => [string(key), word(type), bytes]),
  ];
  const data: Buffer[] = [];
  let offset = 0;
  for (const tensor of parts.tensors) {
    const dimensions = tensor.dimensions.map(long);
    header.push(
      string(tensor.name),
      word(dimensions.length),
      ...dimensions,
      word(tensor.type),
      long(tensor.offset ?? offset),
    );
    const padded = padding(tensor.data.length, alignment);
    data.push(Buffer.from(tensor.data), Buffer.alloc(padded));
    offset += tensor.data.length + padded;
  }
  const head = Buffer.concat(header);
  return Buffer.concat([head, Buffer.alloc(padding(head.length, alignment)), ...data]);
}

function padding(length: number, alignment: number): number {
  return (alignment - (length % alignment)) % alignment;
}

function word(value: number): Buffer {
  return Buffer.from(Uint32Array.of(value).buffer);
}

export function long(value: number | bigint): Buffer {
  return Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
}

export function string(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([long(bytes.length), bytes]);
}
