import assert from "node:assert/strict";
import { join } from "node:path";
import { orderedValue } from "../../src/engine/gpu/draftReference.ts";
import { GpuHead, type HeadForwardPlan, type HeadSurroundings } from "../../src/engine/gpu/gpuHead.ts";
import { draftTiles } from "../../src/engine/gpu/headKernels.ts";
import { quantizeRows } from "../../src/engine/gpu/headReference.ts";
import { Binder, type Dispatch, encode, KernelCompiler } from "../../src/engine/gpu/kernels.ts";
import { inputRow } from "../../src/engine/gpu/reference.ts";
import { rotaryPairs } from "../../src/engine/gpu/targetWeights.ts";
import { WeightUpload } from "../../src/engine/gpu/weightUpload.ts";
import { HeadFile } from "../../src/engine/model/headFile.ts";
import { fixtureTarget, headFolder, headNames, readTensors } from "../engine/headFixtures.ts";
import { assertClose } from "../unit/cpu/numbers.ts";
import { openTestDevice } from "./testDevice.ts";

const checkpoint = fixtureTarget();
const { hidden } = checkpoint.config;
const slots = 160;
const branching = 4;

async function surroundingsOn(device: GPUDevice, quantize: boolean): Promise<HeadSurroundings> {
  const upload = new WeightUpload(device, { read: () => new Uint8Array() });
  return {
    device,
    name: "test",
    compiler: new KernelCompiler(device),
    binder: new Binder(device),
    checkpoint,
    embedding: await upload.embedding(checkpoint, quantize),
    rotary: upload.filled("rotary", rotaryPairs(checkpoint.config, slots)),
    quantize,
  };
}

async function runAndRead(
  device: GPUDevice,
  dispatches: readonly Dispatch[],
  from: GPUBuffer,
): Promise<Uint32Array<ArrayBuffer>> {
  const staging = device.createBuffer({ size: from.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encode(pass, dispatches);
  pass.end();
  encoder.copyBufferToBuffer(from, 0, staging, 0, from.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  return new Uint32Array(staging.getMappedRange().slice(0));
}

describe("GpuHead", function () {
  this.timeout(120_000);

  for (const name of headNames) {
    for (const quantize of [false, true]) {
      it(`gives PyTorch's outputs and draft logits (${name}, ${quantize ? "int8" : "float32"})`, async () => {
        const { device } = await openTestDevice();
        const golden = readTensors(join(headFolder, name, "golden.safetensors"));
        const features = golden.get("features")!.values;
        const tokens = golden.get("next_tokens")!.values;
        const count = tokens.length;
        const surroundings = await surroundingsOn(device, quantize);
        const file = HeadFile.open(join(headFolder, name), checkpoint.config);
        const head = await GpuHead.load(surroundings, file, undefined, {
          regionSlots: slots,
          sequences: 1,
          outputs: count,
        });
        const upload = new WeightUpload(device, { read: () => new Uint8Array() });
        const rows = new Uint32Array(128 * 8);
        for (let i = 0; i < 128; i++)
          rows.set(i < count ? [tokens[i]!, i, 0, i + 1, 0, i, 0, i] : [0, 0, 0, 0, 0, 0xffffffff, 0, 0], 8 * i);
        const forward: HeadForwardPlan = {
          rows: upload.filled("rows", rows),
          paths: upload.filled("paths", new Uint32Array(1)),
          features: upload.filled("features", quantize ? quantizeRows(features, hidden) : Float32Array.from(features)),
          count,
          longest: count,
        };
        const picks = upload.filled(
          "picks",
          Uint32Array.from({ length: count }, (_, i) => i),
        );
        const dispatches = await head.plan(forward, { picks, count, lists: 1, branching });
        const predicted = await runAndRead(device, dispatches, head.predicted);
        const expected = { jakiro: ["y1", "y2"], "jakiro-star": ["branch_0", "branch_1"], eagle: ["y1"] }[
          head.config.kind
        ];
        // int8 rounds activations and weights: what is compared is the size of the whole error.
        for (const [list, output] of expected.entries()) {
          const values = Array.from({ length: count }, (_, row) => [
            ...inputRow(quantize ? "int8-blocks" : "float32", hidden, predicted, list * count + row).values,
          ]);
          check(Float32Array.from(values.flat()), golden.get(output)!.values, count, quantize, output);
        }
        if (head.config.kind !== "jakiro-star") {
          const wanted = golden.get("draft_logits")!.values;
          const width = wanted.length / count;
          const tiles = draftTiles(width);
          const best = await runAndRead(device, dispatches, head.best);
          const found = Array.from({ length: count * tiles }, (_, place) => {
            const own = best.subarray(2 * place * branching, 2 * (place + 1) * branching);
            return Array.from({ length: branching }, (_, i) => ({ key: own[2 * i]!, id: own[2 * i + 1]! }));
          });
          const logits = found.flat().map(({ key }) => orderedValue(key));
          const golds = found.flatMap((entries, place) =>
            entries.map(({ id }) => wanted[Math.floor(place / tiles) * width + id]!),
          );
          check(Float32Array.from(logits), Float32Array.from(golds), count, quantize, "draft logits");
        }
        device.destroy();
      });
    }
  }
});

function check(actual: Float32Array, expected: Float32Array, rows: number, rounded: boolean, what: string): void {
  if (!rounded) {
    assertClose(actual, expected, 1e-4, what);
    return;
  }
  // The median over rows: a row whose gates nearly tie may be routed to another expert by rounding alone.
  const width = expected.length / rows;
  const errors = Array.from({ length: rows }, (_, row) => {
    const wanted = expected.subarray(row * width, (row + 1) * width);
    return Math.hypot(...wanted.map((value, i) => value - actual[row * width + i]!)) / Math.hypot(...wanted);
  }).sort((a, b) => a - b);
  const median = errors[errors.length >> 1]!;
  assert.ok(median < 0.03, `${what} is off by ${median} of its size`);
}
