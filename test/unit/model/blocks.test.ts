import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { blockFormats } from "../../../src/engine/model/dequantize.ts";
import { openCheckpoint } from "../../../src/engine/model/open.ts";
import { fixtures, inFolder, readFloats } from "./fixtures.ts";
import { ggufBytes, u32 } from "./ggufBytes.ts";
import { f32Tensor, smallMetadata, smallShapes } from "./smallModel.ts";

const ggmlTypes: Readonly<Record<string, number>> = {
  ...{ F32: 0, F16: 1, BF16: 30, Q4_0: 2, Q4_1: 3, Q5_0: 6, Q5_1: 7, Q8_0: 8, Q4_K: 12, Q5_K: 13, Q6_K: 14 },
};

function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

describe("block formats", () => {
  it("covers every format that is promised", () => {
    assert.deepEqual(
      Object.values(blockFormats)
        .map(({ name }) => name)
        .sort(),
      Object.keys(ggmlTypes).sort(),
    );
  });

  for (const format of Object.values(blockFormats)) {
    const blocks = (): Buffer => readFileSync(join(fixtures, "blocks", `${format.name}.blocks.bin`));
    const expected = (): Float32Array => readFloats("blocks", `${format.name}.values.bin`);

    it(`reads ${format.name} bit for bit as the gguf package does, at any place of the output`, () => {
      const source = blocks();
      const values = expected();
      const into = new Float32Array(values.length + 10).fill(7);
      format.dequantize(source, source.length / format.bytesPerBlock, into, 5);
      assert.deepEqual(bits(into.slice(5, -5)), bits(values));
      assert.deepEqual([...into.subarray(0, 5), ...into.subarray(-5)], Array(10).fill(7));
    });

    it(`reads any rows of a ${format.name} matrix from a GGUF file`, () => {
      const values = expected();
      const columns = format.valuesPerBlock === 1 ? 2 : format.valuesPerBlock;
      const rows = Math.floor(values.length / columns);
      const bytes = (rows * columns * format.bytesPerBlock) / format.valuesPerBlock;
      inFolder((folder) => {
        const path = join(folder, "model.gguf");
        writeFileSync(path, embeddingFile(rows, columns, ggmlTypes[format.name]!, blocks().subarray(0, bytes)));
        const checkpoint = openCheckpoint(path);
        assert.deepEqual(checkpoint.shape("embedding"), [rows, columns]);
        for (const [first, count] of [
          [0, rows],
          [1, 1],
          [rows - 2, 2],
          [2, 0],
        ] as const) {
          const read = checkpoint.readRows("embedding", first, count);
          assert.deepEqual(bits(read), bits(values.slice(first * columns, (first + count) * columns)));
        }
        checkpoint.close();
      });
    });
  }
});

/** A one-layer model whose embedding is the given matrix; the other tensors are zero. */
function embeddingFile(rows: number, columns: number, type: number, data: Buffer): Buffer {
  const metadata = {
    ...smallMetadata(),
    "qwen2.embedding_length": u32(columns),
    "qwen2.attention.head_count": u32(1),
    "qwen2.attention.head_count_kv": u32(1),
  };
  const widths = new Map([
    [8, columns],
    [4, columns],
    [6, 6],
  ]);
  const others = Object.entries(smallShapes).filter(([name]) => name !== "token_embd.weight");
  const zeros = others.map(([name, shape]) => {
    const dimensions = shape.map((length) => widths.get(length)!);
    return f32Tensor(name, dimensions, new Float32Array(dimensions.reduce((product, length) => product * length, 1)));
  });
  return ggufBytes({
    metadata,
    tensors: [{ name: "token_embd.weight", dimensions: [columns, rows], type, data }, ...zeros],
  });
}
