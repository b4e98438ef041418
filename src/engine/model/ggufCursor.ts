import { JakiroError } from "../errors.ts";
import type { GgufValue } from "./gguf.ts";
import type { WeightFile } from "./weightFile.ts";

const windowBytes = 1 << 20;
// Far above any real chat template or vocabulary, far below what would hurt.
const longestString = 1 << 24;
const longestArray = 1 << 24;

/** Walks a GGUF header front to back. Lengths and counts are believed only as far as the rest of the file could hold them. */
export class GgufCursor {
  /** Byte offset in the file of the next read. */
  position = 0;
  private window = Buffer.alloc(0);
  private windowStart = 0;

  constructor(private readonly file: WeightFile) {}

  u32(): number {
    const at = this.take(4);
    return this.window.readUInt32LE(at);
  }

  /** Exact up to 2^53; beyond that any count or offset is absurd, and the rounded value is refused by its use. */
  u64(): number {
    const at = this.take(8);
    return this.window.readUInt32LE(at) + this.window.readUInt32LE(at + 4) * 2 ** 32;
  }

  /** A u64 number of things of at least `smallest` bytes each that must follow in the file. */
  count(what: string, smallest: number, largest = Number.MAX_SAFE_INTEGER): number {
    const count = this.u64();
    if (count > largest || count * smallest > this.file.size - this.position) {
      throw new JakiroError(
        "model",
        `${this.file.path} is damaged or incomplete: its ${what} of ${count} cannot be true; fetch it again.`,
      );
    }
    return count;
  }

  string(what: string): string {
    const length = this.count(`length of a ${what}`, 1, longestString);
    const at = this.take(length);
    return this.window.toString("utf8", at, at + length);
  }

  /** A metadata value of the given type; an unwanted array is stepped over and gives undefined. */
  value(type: number, key: string, wanted: boolean): GgufValue | undefined {
    if (type !== arrayType) return this.scalar(type, key);
    const elementType = this.u32();
    const size = this.elementSize(elementType, key);
    const count = this.count(`length of "${key}"`, size, longestArray);
    if (!wanted) {
      this.skip(elementType, count, size, key);
      return undefined;
    }
    const values: GgufValue[] = [];
    for (let i = 0; i < count; i++) values.push(this.scalar(elementType, key));
    return values as number[] | boolean[] | string[];
  }

  private skip(elementType: number, count: number, size: number, key: string): void {
    if (elementType !== stringType) {
      this.position += count * size;
      return;
    }
    for (let i = 0; i < count; i++) {
      const length = this.count(`length of a string in "${key}"`, 1);
      this.position += length;
    }
  }

  private scalar(type: number, key: string): GgufValue {
    if (type === stringType) return this.string(`string in "${key}"`);
    const at = this.take(this.elementSize(type, key));
    return scalarTypes.get(type)!.read(this.window, at);
  }

  private elementSize(type: number, key: string): number {
    if (type === stringType) return 8;
    const scalar = scalarTypes.get(type);
    if (scalar === undefined) {
      throw new JakiroError(
        "model",
        `${this.file.path} has metadata "${key}" of the unknown type ${type}; fetch or convert it again.`,
      );
    }
    return scalar.bytes;
  }

  /** Makes the next `count` bytes available and steps over them; gives their index in the window. */
  private take(count: number): number {
    if (count > this.file.size - this.position) {
      throw new JakiroError(
        "model",
        `${this.file.path} ends inside its header; the file is incomplete, fetch it again.`,
      );
    }
    let at = this.position - this.windowStart;
    if (at < 0 || at + count > this.window.length) {
      this.window = Buffer.allocUnsafe(Math.min(Math.max(count, windowBytes), this.file.size - this.position));
      this.file.read(this.window, this.position);
      this.windowStart = this.position;
      at = 0;
    }
    this.position += count;
    return at;
  }
}

const stringType = 8;
const arrayType = 9;

interface ScalarType {
  readonly bytes: number;
  read(window: Buffer, at: number): number | boolean;
}

const scalarTypes = new Map<number, ScalarType>([
  [0, { bytes: 1, read: (window, at) => window.readUInt8(at) }],
  [1, { bytes: 1, read: (window, at) => window.readInt8(at) }],
  [2, { bytes: 2, read: (window, at) => window.readUInt16LE(at) }],
  [3, { bytes: 2, read: (window, at) => window.readInt16LE(at) }],
  [4, { bytes: 4, read: (window, at) => window.readUInt32LE(at) }],
  [5, { bytes: 4, read: (window, at) => window.readInt32LE(at) }],
  [6, { bytes: 4, read: (window, at) => window.readFloatLE(at) }],
  [7, { bytes: 1, read: (window, at) => window.readUInt8(at) !== 0 }],
  [10, { bytes: 8, read: (window, at) => Number(window.readBigUInt64LE(at)) }],
  [11, { bytes: 8, read: (window, at) => Number(window.readBigInt64LE(at)) }],
  [12, { bytes: 8, read: (window, at) => window.readDoubleLE(at) }],
]);
