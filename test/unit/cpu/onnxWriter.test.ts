import assert from "node:assert/strict";
import { Tensor } from "onnxruntime-node";
import { type DataType, dataTypes, GraphBuilder } from "../../../src/engine/cpu/onnxWriter.ts";
import { floatTensor, integerTensor } from "../../../src/engine/cpu/session.ts";
import { MemorySink } from "../../../src/engine/cpu/weightSink.ts";
import { runGraph } from "./graphs.ts";
import { field, fields, numbersOf, readMessage, textOf, textsOf } from "./protobuf.ts";

/** The parts of an encoded model that a test looks at. */
function decode(g: GraphBuilder) {
  const model = readMessage(g.finish());
  const graph = readMessage(field(model, 7) as Uint8Array);
  const parts = (number: number) => fields(graph, number).map((bytes) => readMessage(bytes as Uint8Array));
  return { model, graph, nodes: parts(1), initializers: parts(5), inputs: parts(11), outputs: parts(12) };
}

describe("onnxWriter", () => {
  it("declares the versions and operator sets it writes for", () => {
    const { model, graph } = decode(new GraphBuilder("näme"));
    assert.equal(field(model, 1), 10n, "IR version");
    assert.equal(textOf(graph, 2), "näme");
    const sets = fields(model, 8).map((bytes) => readMessage(bytes as Uint8Array));
    assert.deepEqual(
      sets.map((set) => [textOf(set, 1), field(set, 2)]),
      [
        ["", 20n],
        ["com.microsoft", 1n],
      ],
    );
  });

  it("writes every kind of attribute", () => {
    const g = new GraphBuilder("g");
    const whole = [0, 1, -1, 127, 128, 300, -300, 2 ** 31, -(2 ** 31), 2 ** 40, Number.MAX_SAFE_INTEGER];
    const attributes = { text: "", other: "ö😀", real: { float: -1.5e-6 }, list: whole, none: [] };
    g.node("Op", ["a", ""], { ...attributes, ...Object.fromEntries(whole.map((value) => [`int ${value}`, value])) });
    const [node] = decode(g).nodes;
    assert.deepEqual(textsOf(node!, 1), ["a", ""]);
    assert.equal(textOf(node!, 4), "Op");
    assert.equal(field(node!, 7), undefined, "an operator of ONNX itself names no domain");
    const found = new Map(
      fields(node!, 5)
        .map((bytes) => readMessage(bytes as Uint8Array))
        .map((a) => [textOf(a, 1), a]),
    );
    for (const value of whole) {
      const attribute = found.get(`int ${value}`)!;
      assert.deepEqual([numbersOf(attribute, 3), field(attribute, 20)], [[value], 2n]);
    }
    assert.deepEqual([textOf(found.get("text")!, 4), field(found.get("text")!, 20)], ["", 3n]);
    assert.equal(textOf(found.get("other")!, 4), "ö😀");
    const real = found.get("real")!;
    assert.deepEqual([field(real, 2), field(real, 20)], [Math.fround(-1.5e-6), 1n]);
    assert.deepEqual([numbersOf(found.get("list")!, 8), field(found.get("list")!, 20)], [whole, 7n]);
    assert.deepEqual([numbersOf(found.get("none")!, 8), field(found.get("none")!, 20)], [[], 7n]);
  });

  it("names the domain of the runtime's own operators", () => {
    const g = new GraphBuilder("g");
    g.node("MatMulNBits", ["a"]);
    assert.equal(textOf(decode(g).nodes[0]!, 7), "com.microsoft");
  });

  it("writes types and shapes with known and unknown sizes", () => {
    const g = new GraphBuilder("g");
    for (const type of Object.keys(dataTypes) as DataType[]) g.input(type, type, ["rows", 3]);
    g.output("scalar", "float32", []);
    const { inputs, outputs } = decode(g);
    const tensorType = (value: Parameters<typeof field>[0]) =>
      readMessage(field(readMessage(field(value, 2) as Uint8Array), 1) as Uint8Array);
    for (const input of inputs) {
      const type = tensorType(input);
      assert.equal(field(type, 1), BigInt(dataTypes[textOf(input, 1) as DataType]));
      const shape = fields(readMessage(field(type, 2) as Uint8Array), 1).map((d) => readMessage(d as Uint8Array));
      assert.deepEqual([textOf(shape[0]!, 2), field(shape[1]!, 1)], ["rows", 3n]);
    }
    assert.deepEqual(fields(readMessage(field(tensorType(outputs[0]!), 2) as Uint8Array), 1), []);
  });

  it("refers to external weights by location, offset and length", () => {
    const g = new GraphBuilder("g");
    g.external("w", "int8", [2, 3], { location: "weights.bin", offset: 2 ** 33, length: 6 });
    const [tensor] = decode(g).initializers;
    assert.deepEqual([numbersOf(tensor!, 1), field(tensor!, 2), textOf(tensor!, 8)], [[2, 3], 3n, "w"]);
    assert.equal(field(tensor!, 14), 1n, "data location EXTERNAL");
    const entries = fields(tensor!, 13).map((bytes) => readMessage(bytes as Uint8Array));
    assert.deepEqual(Object.fromEntries(entries.map((entry) => [textOf(entry, 1), textOf(entry, 2)])), {
      location: "weights.bin",
      offset: String(2 ** 33),
      length: "6",
    });
  });

  it("writes a constant once however often it is asked for", () => {
    const g = new GraphBuilder("g");
    assert.equal(g.scalar("float32", 0.5), g.scalar("float32", 0.5));
    assert.notEqual(g.scalar("float32", 0.5), g.scalar("float64", 0.5));
    assert.equal(g.integers([-1, 2]), g.integers([-1, 2]));
    assert.notEqual(g.integers([1, 2]), g.integers([12]));
    assert.equal(decode(g).initializers.length, 5);
  });

  it("is understood by the runtime: constants of each type, negative axes, named outputs, external data", async () => {
    const g = new GraphBuilder("g");
    const sink = new MemorySink();
    const x = g.input("x", "float32", ["rows", 4]);
    const count = g.input("count", "int64", [1]);
    const weight = sink.append(Float32Array.of(9, 9, 9)) && sink.append(Float32Array.of(1, 2, 3, 4));
    const scaled = g.node("Mul", [x, g.external("weight", "float32", [4], weight)]);
    const [best, place] = g.nodeWithOutputs("TopK", [scaled, count], 2, { axis: -1 }, ["best"]);
    g.output(best!, "float32", ["rows", "count"]);
    g.output(g.rename(place!, "plätze"), "int64", ["rows", "count"]);
    const low = g.node("Clip", [g.node("Cast", [x], { to: dataTypes.int8 }), "", g.scalar("int8", -3)]);
    g.output(g.rename(low, "low"), "int8", ["rows", 4]);
    const wide = g.node("Sub", [g.node("Cast", [x], { to: dataTypes.float64 }), g.scalar("float64", 1e-12)]);
    g.output(g.rename(wide, "wide"), "float64", ["rows", 4]);
    g.output(g.node("Elu", [x], { alpha: { float: 0.25 } }), "float32", ["rows", 4]);

    const feeds = { x: floatTensor(Float32Array.of(4, -3, 2, -100), [1, 4]), count: integerTensor([2]) };
    const results = await runGraph(g, feeds, sink);
    assert.deepEqual([...(results["best"]!.data as Float32Array)], [6, 4]);
    assert.deepEqual([...(results["plätze"]!.data as BigInt64Array)], [2n, 0n]);
    assert.deepEqual([...(results["low"]!.data as Int8Array)], [-3, -3, -3, -100]);
    assert.deepEqual([...(results["wide"]!.data as Float64Array)], [4 - 1e-12, -3 - 1e-12, 2 - 1e-12, -100 - 1e-12]);
    const elu = Object.entries(results).find(([name]) => name.startsWith("Elu"))![1].data as Float32Array;
    assert.ok(Math.abs(elu[3]! + 0.25) < 1e-6);
  });

  it("leaves an optional output out where its name is empty", async () => {
    const g = new GraphBuilder("g");
    const x = g.input("x", "float32", [3]);
    const [values] = g.nodeWithOutputs("Dropout", [x], 2, {}, [undefined, ""]);
    g.output(values!, "float32", [3]);
    const results = await runGraph(g, { x: new Tensor("float32", Float32Array.of(1, 2, 3), [3]) });
    assert.deepEqual(Object.keys(results), [values]);
  });
});
