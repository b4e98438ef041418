import type { BlockFormat } from "./dequantize.ts";
import type { WeightFile } from "./weightFile.ts";

/** Where and how a matrix lies in a file: [rows, columns], row-major, each row a whole number of blocks. */
export interface StoredTensor {
  readonly file: WeightFile;
  /** As the file names it, for messages. */
  readonly fileName: string;
  readonly format: BlockFormat;
  /** Byte offset of the first row. */
  readonly offset: number;
  readonly rows: number;
  readonly columns: number;
  /** Set where rows of a head lie as interleaved rotary pairs (0, 1), (2, 3), ... and must come out in half-split order. */
  readonly interleavedHeadDim?: number;
}

const stagingBytes = 1 << 20;

/** Dequantizes rows first .. first+count-1 into `into`, [count, columns], through a staging buffer of about 1 MiB. */
export function readStoredRows(tensor: StoredTensor, first: number, count: number, into: Float32Array): void {
  if (tensor.interleavedHeadDim === undefined) readFileRows(tensor, first, count, into);
  else readDeinterleaved(tensor, tensor.interleavedHeadDim, first, count, into);
}

function readFileRows(tensor: StoredTensor, first: number, count: number, into: Float32Array): void {
  const { file, format, columns } = tensor;
  const blocksPerRow = columns / format.valuesPerBlock;
  const blocks = count * blocksPerRow;
  const start = tensor.offset + first * blocksPerRow * format.bytesPerBlock;
  const blocksPerRead = Math.min(blocks, Math.floor(stagingBytes / format.bytesPerBlock));
  const staging = new Uint8Array(blocksPerRead * format.bytesPerBlock);
  for (let done = 0; done < blocks; done += blocksPerRead) {
    const take = Math.min(blocksPerRead, blocks - done);
    file.read(staging.subarray(0, take * format.bytesPerBlock), start + done * format.bytesPerBlock);
    format.dequantize(staging, take, into, done * format.valuesPerBlock);
  }
}

/**
 * llama.cpp's converter stores row half * headDim/2 + pair of a Llama head (half-split order) as row 2 * pair + half;
 * whole heads are read so that each byte is read once.
 */
function readDeinterleaved(
  tensor: StoredTensor,
  headDim: number,
  first: number,
  count: number,
  into: Float32Array,
): void {
  const { columns } = tensor;
  const head = new Float32Array(headDim * columns);
  for (let row = first; row < first + count; ) {
    const headStart = row - (row % headDim);
    const end = Math.min(headStart + headDim, first + count);
    readFileRows(tensor, headStart, headDim, head);
    for (; row < end; row++) {
      const inHead = row - headStart;
      const half = inHead < headDim / 2 ? 0 : 1;
      const stored = 2 * (inHead - (half * headDim) / 2) + half;
      into.set(head.subarray(stored * columns, (stored + 1) * columns), (row - first) * columns);
    }
  }
}
