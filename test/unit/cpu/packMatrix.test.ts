import assert from "node:assert/strict";
import type { PackedMatrix } from "../../../src/engine/cpu/linear.ts";
import type { ExternalData } from "../../../src/engine/cpu/onnxWriter.ts";
import {
  type DenseMatrix,
  MatrixPacker,
  type Packing,
  packMatrix,
  type WeightFormat,
} from "../../../src/engine/cpu/packMatrix.ts";
import { MemorySink } from "../../../src/engine/cpu/weightSink.ts";
import { halfToFloat } from "../../../src/engine/model/float16.ts";
import { assertSameBits, normal, randomMatrix } from "./numbers.ts";

const formats: readonly WeightFormat[] = ["float32", "float16", "int8", "int4"];

function bytesAt(sink: MemorySink, { offset, length }: ExternalData): Uint8Array {
  return Uint8Array.from(sink.contents().subarray(offset, offset + length));
}

function floatsAt(sink: MemorySink, data: ExternalData): Float32Array {
  return new Float32Array(bytesAt(sink, data).buffer);
}

/** What a packed matrix stands for, as [outputs, inputs], and the step of each of its values. */
function unpack(sink: MemorySink, matrix: PackedMatrix): { values: Float32Array; step: (i: number) => number } {
  const { inputs, outputs } = matrix;
  const at = (value: (output: number, input: number) => number) =>
    Float32Array.from({ length: outputs * inputs }, (_, i) => value(Math.floor(i / inputs), i % inputs));
  switch (matrix.format) {
    case "float32": {
      const weights = floatsAt(sink, matrix.weights);
      return { values: at((output, input) => weights[input * outputs + output]!), step: () => 0 };
    }
    case "float16": {
      const halves = new Uint16Array(bytesAt(sink, matrix.weights).buffer);
      const values = at((output, input) => halfToFloat[halves[input * outputs + output]!]!);
      // The step of a half at its own magnitude.
      return { values, step: (i) => 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(values[i]!)))) - 10) };
    }
    case "int8": {
      const weights = new Int8Array(bytesAt(sink, matrix.weights).buffer);
      const scales = floatsAt(sink, matrix.scales);
      return {
        values: at((output, input) => weights[input * outputs + output]! * scales[output]!),
        step: (i) => scales[Math.floor(i / inputs)]!,
      };
    }
    case "int4": {
      const weights = bytesAt(sink, matrix.weights);
      const scales = floatsAt(sink, matrix.scales);
      const values = Float32Array.from({ length: outputs * inputs }, (_, i) => {
        const nibble = i % 2 === 0 ? weights[i >> 1]! & 15 : weights[i >> 1]! >> 4;
        return (nibble - 8) * scales[Math.floor(i / matrix.block)]!;
      });
      return { values, step: (i) => Math.abs(scales[Math.floor(i / matrix.block)]!) };
    }
  }
}

function packed(packing: Packing, matrices: readonly DenseMatrix[], inputScale?: Float32Array) {
  const sink = new MemorySink();
  // The packer may scale values in place.
  const copies = matrices.map((matrix) => ({ ...matrix, values: matrix.values.slice() }));
  const matrix = packMatrix(sink, "m", packing, copies, inputScale);
  return { matrix, sink, ...unpack(sink, matrix) };
}

describe("packMatrix", () => {
  /** int4 has steps -8 to 7: what would be +8 loses a whole step, all else half of one. */
  const tolerances: Record<WeightFormat, number> = { float32: 0, float16: 0.5, int8: 0.5, int4: 1 };
  for (const format of formats) {
    it(`keeps weights to within their ${format} step`, () => {
      const dense = randomMatrix(67, 256, 1);
      const { values, step } = packed(format, [dense]);
      for (let i = 0; i < values.length; i++) {
        const error = Math.abs(values[i]! - dense.values[i]!);
        assert.ok(error <= tolerances[format] * step(i) * 1.0001, `${error} at ${i} with steps of ${step(i)}`);
      }
    });

    it(`lays matrices side by side in ${format}`, () => {
      const parts = [randomMatrix(40, 128, 2), randomMatrix(3, 128, 3), randomMatrix(65, 128, 4)];
      const whole = packed(format, parts);
      assert.equal(whole.matrix.outputs, 108);
      const apart = parts.flatMap((part) => [...packed(format, [part]).values]);
      assertSameBits(whole.values, Float32Array.from(apart), "side by side");
    });

    it(`packs rows that come in runs like rows that come at once, ${format}`, () => {
      const dense = randomMatrix(150, 128, 5);
      const sink = new MemorySink();
      const packer = new MatrixPacker(format, 128, 150);
      for (const [first, end] of [
        [0, 1],
        [1, 70],
        [70, 134],
        [134, 150],
      ] as const) {
        packer.addRows(dense.values.slice(first * 128, end * 128), end - first);
      }
      assertSameBits(unpack(sink, packer.finish(sink, "m")).values, packed(format, [dense]).values, "in runs");
    });

    it(`scales inputs before it rounds, ${format}`, () => {
      const dense = randomMatrix(8, 128, 6);
      const scale = normal(128, 7).map((value) => 2 ** Math.round(value));
      const scaled = { ...dense, values: dense.values.map((value, i) => value * scale[i % 128]!) };
      assertSameBits(packed(format, [dense], scale).values, packed(format, [scaled]).values, "scaled");
    });

    it(`packs zeros, ${format}`, () => {
      const { values } = packed(format, [{ outputs: 4, inputs: 128, values: new Float32Array(512) }]);
      assert.ok(values.every((value) => value === 0));
    });
  }

  it("uses the whole range of int8 for each output", () => {
    const { sink, matrix } = packed("int8", [randomMatrix(9, 64, 8)]);
    assert.equal(matrix.format, "int8");
    const weights = new Int8Array(bytesAt(sink, matrix.weights).buffer);
    for (let output = 0; output < 9; output++) {
      const column = Array.from({ length: 64 }, (_, input) => Math.abs(weights[input * 9 + output]!));
      assert.equal(Math.max(...column), 127);
    }
  });

  it("paired int8 fills the range by single weights or by neighbours, whose products fit into 16 bits together", () => {
    const [outputs, inputs] = [40, 65];
    const dense = randomMatrix(outputs, inputs, 8);
    // An output whose largest weights are of both signs where they are neighbours.
    dense.values.fill(0.01, 0, inputs);
    dense.values.set([1, -1, 0, 1], 0);
    const { sink, matrix, values, step } = packed("int8-paired", [dense]);
    assert.equal(matrix.format, "int8");
    const weights = new Int8Array(bytesAt(sink, matrix.weights).buffer);
    const column = (output: number) => Array.from({ length: inputs }, (_, input) => weights[input * outputs + output]!);
    for (let output = 0; output < outputs; output++) {
      const own = column(output);
      const pairs = own.map((first, input) => (input % 2 === 0 ? first + (own[input + 1] ?? 0) : 0));
      for (const pair of pairs) assert.ok(255 * Math.abs(pair) <= 0x7fff, `${output}: ${pair}`);
      assert.ok(Math.max(...[...own, ...pairs].map(Math.abs)) >= 126, `output ${output}`);
    }
    assert.deepEqual(column(0).slice(0, 4), [127, -127, 0, 127]);
    for (const [i, value] of values.entries()) {
      assert.ok(Math.abs(value - dense.values[i]!) <= 0.5001 * step(i), `${value} at ${i}`);
    }
  });

  it("gives the value of largest magnitude in an int4 block exactly", () => {
    const dense = randomMatrix(6, 256, 9);
    const { values } = packed("int4", [dense]);
    for (let start = 0; start < values.length; start += 128) {
      const block = [...dense.values.subarray(start, start + 128)];
      const place = start + block.reduce((best, value, i) => (Math.abs(value) > Math.abs(block[best]!) ? i : best), 0);
      assert.ok(Math.abs(values[place]! - dense.values[place]!) <= 1e-6);
    }
  });

  for (const inputs of [64, 100, 576]) {
    it(`keeps 8 bits where ${inputs} inputs make no whole int4 blocks`, () => {
      assert.equal(packed("int4", [randomMatrix(4, inputs, 10)]).matrix.format, "int8");
    });
  }
});
