import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isQuantized, packMatrix, type WeightFormat } from "../../src/engine/cpu/packMatrix.ts";
import { FileSink, packVector } from "../../src/engine/cpu/weightSink.ts";
import { KernelCompiler } from "../../src/engine/gpu/kernels.ts";
import { inputRow, weightColumn } from "../../src/engine/gpu/reference.ts";
import { ForwardKernels } from "../../src/engine/gpu/targetKernels.ts";
import { Trial } from "../../src/engine/gpu/trial.ts";
import { interleaveInt4, PackFiles, WeightUpload } from "../../src/engine/gpu/weightUpload.ts";
import { assertClose } from "../unit/cpu/numbers.ts";
import { normal, randomFloats, randomOperands, randomWords } from "./freshRandom.ts";
import { openTestDevice } from "./testDevice.ts";

describe("WeightUpload", function () {
  this.timeout(60_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "jakiro-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("repacks int4 so that every weight keeps its value", () => {
    const [inputs, outputs] = [384, 5];
    const bytes = new Uint8Array(randomWords((inputs * outputs) / 8, 1).buffer);
    const scales = randomFloats((inputs / 128) * outputs, 2);
    const weights = interleaveInt4(bytes, scales, inputs);
    const shape = { format: "int4", inputs, outputs } as const;
    const operands = { ...randomOperands(shape, 1, 3), weights };
    for (let output = 0; output < outputs; output++) {
      const naive = Float64Array.from({ length: inputs }, (_, i) => {
        const at = output * inputs + i;
        const nibble = (bytes[at >> 1]! >> (4 * (at % 2))) & 15;
        return (nibble - 8) * scales[Math.floor(at / 128)]!;
      });
      assert.deepEqual(weightColumn(operands, output), naive);
    }
  });

  for (const [format, inputs, widened = false] of [
    ["float32", 52],
    ["float16", 54],
    ["float16", 54, true],
    ["int8", 72],
    ["int4", 256],
    // No whole block of 128: these weights keep 8 bits.
    ["int4", 96],
  ] as const satisfies readonly (readonly [WeightFormat, number, boolean?])[]) {
    const how = widened ? " as float32" : "";
    it(`brings ${format} weights of ${inputs} inputs to the device${how}, in chunks and with their bias`, async () => {
      const outputs = 70;
      const values = normal(outputs * inputs, inputs, 1 / Math.sqrt(inputs));
      const biases = normal(outputs, 3);
      const path = join(folder, `${format}-${inputs}${how}.bin`);
      const { matrix, bias } = await FileSink.into(path, (sink) => ({
        matrix: packMatrix(sink, "m", format, [{ outputs, inputs, values: values.slice() }]),
        bias: packVector(sink, "b", biases),
      }));
      const { device } = await openTestDevice();
      const files = new PackFiles(folder);
      const upload = new WeightUpload(device, files, { chunkBytes: 3000, widened });
      const uploaded = await upload.matrix(matrix, isQuantized(format) ? 16 : 4, bias);
      files.close();
      assert.equal(uploaded.format, widened ? "float32" : matrix.format);

      const { input, shape } = randomOperands({ ...uploaded, outputs: 1 }, 1, 5);
      const x = inputRow(shape.format, shape.inputs, input, 0).values;
      const expected = Float64Array.from(biases, (bias, output) =>
        values.subarray(output * inputs, (output + 1) * inputs).reduce((sum, w, i) => sum + w * x[i]!, bias),
      );
      const attention = { heads: 1, kvHeads: 1, headDim: 4, slots: 1, blocks: 1 };
      const kernels = new ForwardKernels(new KernelCompiler(device), attention, isQuantized(format));
      const kernel = await kernels.linear(uploaded, 1, false);
      const trial = new Trial(device);
      const output = trial.poisoned(outputs);
      const buffers = [trial.buffer(input), uploaded.weights, uploaded.columns, output];
      const [words] = await trial.run([trial.dispatch(kernel, buffers, kernels.linearGroups(uploaded))], [output]);
      // Weights are off by up to half a step each, independently: seven standard deviations of what that adds up to.
      const steps = { float32: 2 ** 23, float16: 2 ** 10, int8: 127, int4: 7 }[matrix.format];
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const tolerance = 7 * (largest / steps) * (Math.hypot(...x) / Math.sqrt(12)) + 1e-6;
      assertClose(new Float32Array(words!.buffer), expected, tolerance, "product");
      trial.release();
      upload.release();
      device.destroy();
    });
  }
});
