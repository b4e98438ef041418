/** Protocol buffers read back by the wire format alone, so that the writer is checked by something that shares nothing with it. */
export type Message = ReadonlyMap<number, readonly WireValue[]>;
export type WireValue = bigint | number | Uint8Array;

export function readMessage(bytes: Uint8Array): Message {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const message = new Map<number, WireValue[]>();
  let offset = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = view.getUint8(offset++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (offset < bytes.length) {
    const tag = Number(varint());
    const values = message.get(tag >> 3) ?? [];
    message.set(tag >> 3, values);
    switch (tag & 7) {
      case 0:
        values.push(varint());
        break;
      case 2: {
        const length = Number(varint());
        if (offset + length > bytes.length) throw new Error(`field ${tag >> 3} is longer than its message`);
        values.push(bytes.subarray(offset, offset + length));
        offset += length;
        break;
      }
      case 5:
        values.push(view.getFloat32(offset, true));
        offset += 4;
        break;
      default:
        throw new Error(`wire type ${tag & 7} at ${offset}`);
    }
  }
  return message;
}

export function fields(message: Message, number: number): readonly WireValue[] {
  return message.get(number) ?? [];
}

export function field(message: Message, number: number): WireValue | undefined {
  return fields(message, number)[0];
}

/** Signed 64-bit integers of a repeated field. */
export function numbersOf(message: Message, number: number): number[] {
  return fields(message, number).map((value) => Number(BigInt.asIntN(64, value as bigint)));
}

export function textsOf(message: Message, number: number): string[] {
  return fields(message, number).map((value) => new TextDecoder().decode(value as Uint8Array));
}

export function textOf(message: Message, number: number): string | undefined {
  return textsOf(message, number)[0];
}
