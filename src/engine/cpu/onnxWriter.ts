/**
 * Writes ONNX models: the dozen messages of onnx.proto3 (IR version 10) that an inference graph needs, encoded by hand.
 * Large weights stay outside of the message, in a data file that onnxruntime maps into memory.
 */

/** TensorProto.DataType. */
export const dataTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  float16: 10,
  float64: 11,
} as const;
export type DataType = keyof typeof dataTypes;

export type Attribute = number | string | readonly number[] | { readonly float: number };
/** A dimension: its size, or the name of a size that is known when the graph runs. */
export type Dimension = number | string;

/** A value in the graph: the name under which nodes refer to it. */
export type Value = string;

/** Where an external weight lies in the data file. */
export interface ExternalData {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

const microsoftOperators = new Set([
  "FusedMatMul",
  "MatMulIntegerToFloat",
  "MatMulNBits",
  "QuickGelu",
  "RotaryEmbedding",
  "SkipSimplifiedLayerNormalization",
]);

export class GraphBuilder {
  private readonly nodes = new ProtoWriter();
  private readonly initializers = new ProtoWriter();
  private readonly inputs = new ProtoWriter();
  private readonly outputs = new ProtoWriter();
  private readonly constants = new Map<string, Value>();
  private counter = 0;

  constructor(private readonly name: string) {}

  input(name: string, type: DataType, shape: readonly Dimension[]): Value {
    this.inputs.message(11, valueInfo(name, type, shape));
    return name;
  }

  output(name: string, type: DataType, shape: readonly Dimension[]): void {
    this.outputs.message(12, valueInfo(name, type, shape));
  }

  /** Adds a node and returns its first output. */
  node(operator: string, inputs: readonly Value[], attributes: Readonly<Record<string, Attribute>> = {}): Value {
    return this.nodeWithOutputs(operator, inputs, 1, attributes)[0]!;
  }

  /** Adds a node with several outputs; a name given in `names` replaces a made-up one, "" leaves an optional output out. */
  nodeWithOutputs(
    operator: string,
    inputs: readonly Value[],
    outputCount: number,
    attributes: Readonly<Record<string, Attribute>> = {},
    names: readonly (string | undefined)[] = [],
  ): Value[] {
    const outputs = Array.from({ length: outputCount }, (_, i) => names[i] ?? `${operator}_${this.counter++}`);
    const message = new ProtoWriter();
    for (const input of inputs) message.string(1, input);
    for (const output of outputs) message.string(2, output);
    message.string(4, operator);
    for (const [name, value] of Object.entries(attributes)) message.message(5, attribute(name, value));
    if (microsoftOperators.has(operator)) message.string(7, "com.microsoft");
    this.nodes.message(1, message);
    return outputs;
  }

  /** Gives a value the name under which it leaves the graph. */
  rename(value: Value, name: string): Value {
    return this.nodeWithOutputs("Identity", [value], 1, {}, [name])[0]!;
  }

  /** A small constant kept inside the model file. */
  constant(name: string, type: DataType, shape: readonly number[], data: NodeJS.TypedArray): Value {
    const message = tensorHeader(name, type, shape);
    message.bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    this.initializers.message(5, message);
    return name;
  }

  /** A scalar constant, shared between all who ask for the same one. */
  scalar(type: "float32" | "float64" | "uint8" | "int8", value: number): Value {
    return this.shared(`${type}_${value}`, (name) => this.constant(name, type, [], typedArray(type, [value])));
  }

  /** An int64 vector (shapes, axes), shared between all who ask for the same one. */
  integers(values: readonly number[]): Value {
    return this.shared(`int64_${values.join("_")}`, (name) =>
      this.constant(name, "int64", [values.length], BigInt64Array.from(values, BigInt)),
    );
  }

  /** A weight that lies in the data file. */
  external(name: string, type: DataType, shape: readonly number[], data: ExternalData): Value {
    const message = tensorHeader(name, type, shape);
    for (const [key, value] of Object.entries(data)) {
      message.message(13, new ProtoWriter().string(1, key).string(2, String(value)));
    }
    message.integer(14, 1);
    this.initializers.message(5, message);
    return name;
  }

  /** The serialized ModelProto. */
  finish(): Uint8Array {
    const graph = new ProtoWriter();
    graph.append(this.nodes);
    graph.string(2, this.name);
    graph.append(this.initializers);
    graph.append(this.inputs);
    graph.append(this.outputs);
    const model = new ProtoWriter();
    model.integer(1, 10);
    model.string(2, "jakiro");
    model.message(7, graph);
    model.message(8, new ProtoWriter().string(1, "").integer(2, 20));
    model.message(8, new ProtoWriter().string(1, "com.microsoft").integer(2, 1));
    return model.finish();
  }

  private shared(key: string, make: (name: string) => Value): Value {
    const known = this.constants.get(key);
    if (known !== undefined) return known;
    const value = make(`constant_${key}`);
    this.constants.set(key, value);
    return value;
  }
}

function typedArray(type: "float32" | "float64" | "uint8" | "int8", values: readonly number[]): NodeJS.TypedArray {
  switch (type) {
    case "float32":
      return Float32Array.from(values);
    case "float64":
      return Float64Array.from(values);
    case "uint8":
      return Uint8Array.from(values);
    case "int8":
      return Int8Array.from(values);
  }
}

function tensorHeader(name: string, type: DataType, shape: readonly number[]): ProtoWriter {
  const message = new ProtoWriter();
  for (const size of shape) message.integer(1, size);
  return message.integer(2, dataTypes[type]).string(8, name);
}

function valueInfo(name: string, type: DataType, shape: readonly Dimension[]): ProtoWriter {
  const dimensions = new ProtoWriter();
  for (const size of shape) {
    const dimension = new ProtoWriter();
    if (typeof size === "number") dimension.integer(1, size);
    else dimension.string(2, size);
    dimensions.message(1, dimension);
  }
  const tensorType = new ProtoWriter().integer(1, dataTypes[type]).message(2, dimensions);
  return new ProtoWriter().string(1, name).message(2, new ProtoWriter().message(1, tensorType));
}

/** AttributeProto; a whole number is an INT, `{float}` a FLOAT, an array INTS. */
function attribute(name: string, value: Attribute): ProtoWriter {
  const message = new ProtoWriter().string(1, name);
  if (typeof value === "number") return message.integer(3, value).integer(20, 2);
  if (typeof value === "string") return message.string(4, value).integer(20, 3);
  if ("float" in value) return message.float(2, value.float).integer(20, 1);
  for (const item of value) message.integer(8, item);
  return message.integer(20, 7);
}

/** Protocol buffer wire format: varints, fixed32 and length-delimited fields. */
class ProtoWriter {
  private chunks: Uint8Array[] = [];

  integer(field: number, value: number): this {
    this.varint(field * 8);
    this.varint(value);
    return this;
  }

  float(field: number, value: number): this {
    this.varint(field * 8 + 5);
    this.chunks.push(new Uint8Array(Float32Array.of(value).buffer));
    return this;
  }

  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  bytes(field: number, value: Uint8Array): this {
    this.varint(field * 8 + 2);
    this.varint(value.length);
    this.chunks.push(value);
    return this;
  }

  message(field: number, value: ProtoWriter): this {
    return this.bytes(field, value.finish());
  }

  append(other: ProtoWriter): void {
    for (const chunk of other.chunks) this.chunks.push(chunk);
  }

  finish(): Uint8Array {
    const whole = Buffer.concat(this.chunks);
    this.chunks = [whole];
    return whole;
  }

  private varint(value: number): void {
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, BigInt(value));
    do {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      bytes.push(rest === 0n ? low : low | 0x80);
    } while (rest !== 0n);
    this.chunks.push(Uint8Array.from(bytes));
  }
}
