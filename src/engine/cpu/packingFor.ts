import { linear } from "./linear.ts";
import { GraphBuilder } from "./onnxWriter.ts";
import { type Packing, packMatrix, type WeightFormat } from "./packMatrix.ts";
import { floatTensor, openSession } from "./session.ts";
import { MemorySink } from "./weightSink.ts";

const inputs = 64;
const outputs = 32;

/**
 * How matrices of a format are packed so that this processor sums their products exactly. Those with AVX2 or AVX-512 but without VNNI
 * multiply 8-bit numbers by `vpmaddubsw`, which adds two products in 16 bits and saturates; whether that is so is found by trying.
 */
export async function packingFor(format: WeightFormat): Promise<Packing> {
  if (format !== "int8") return format;
  sumsPairs ??= trySums();
  return (await sumsPairs) ? "int8" : "int8-paired";
}

/** Whether pairs of the largest products are summed exactly; asked once in a process. */
let sumsPairs: Promise<boolean> | undefined;

/** Ones times ones, both of them the largest steps there are. */
async function trySums(): Promise<boolean> {
  const sink = new MemorySink();
  const matrix = packMatrix(sink, "ones", "int8", [
    { outputs, inputs, values: new Float32Array(outputs * inputs).fill(1) },
  ]);
  const g = new GraphBuilder("pairs");
  const x = g.input("x", "float32", ["rows", inputs]);
  g.output(g.rename(linear(g, x, matrix), "y"), "float32", ["rows", outputs]);
  const weights = { path: MemorySink.location, data: sink.contents() };
  const session = await openSession(g.finish(), { threads: 1, weights });
  try {
    const results = await session.run({ x: floatTensor(new Float32Array(inputs).fill(1), [1, inputs]) });
    return (results["y"]!.data as Float32Array).every((sum) => Math.abs(sum - inputs) < 0.5);
  } finally {
    await session.release();
  }
}
