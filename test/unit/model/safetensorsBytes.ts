export interface TensorPart {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

export type SafetensorsParts = Record<string, TensorPart>;

interface HeaderEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Takes a well-formed safetensors file apart. */
export function tensorsOf(bytes: Buffer): SafetensorsParts {
  const dataStart = 8 + bytes.readUInt32LE(0);
  const { __metadata__: _, ...header } = JSON.parse(bytes.toString("utf8", 8, dataStart)) as Record<
    string,
    HeaderEntry
  >;
  return Object.fromEntries(
    Object.entries(header).map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [begin, end],
        },
      ]) => [name, { dtype, shape, data: bytes.subarray(dataStart + begin, dataStart + end) }],
    ),
  );
}

export function safetensorsBytes(parts: SafetensorsParts): Buffer {
  const header: Record<string, HeaderEntry> = {};
  let offset = 0;
  for (const [name, { dtype, shape, data }] of Object.entries(parts)) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.length] };
    offset += data.length;
  }
  return withHeader(JSON.stringify(header), Buffer.concat(Object.values(parts).map(({ data }) => data)));
}

/** A file with exactly this header text, and a length field of its own where one is given. */
export function withHeader(header: string, data: Buffer, headerLength?: bigint): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(headerLength ?? BigInt(Buffer.byteLength(header)));
  return Buffer.concat([length, Buffer.from(header), data]);
}
