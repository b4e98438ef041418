import { InferenceSession, Tensor } from "onnxruntime-node";

// onnxruntime's own telemetry (an event database and a device id under the user's cache folder, uploaded where there is a
// network) is on unless this is set before the first session is created. Nothing of ours leaves the machine.
process.env["ORT_DISABLE_TELEMETRY"] = "1";

export interface SessionSettings {
  readonly threads: number;
  /** Contents of the data file, for graphs that live in memory only. */
  readonly weights?: { readonly path: string; readonly data: Uint8Array };
}

/** Opens a graph on the CPU; a path lets the runtime map its data file, bytes need `weights`. */
export async function openSession(graph: string | Uint8Array, settings: SessionSettings): Promise<InferenceSession> {
  const options: InferenceSession.SessionOptions = {
    executionProviders: ["cpu"],
    intraOpNumThreads: settings.threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    logSeverityLevel: 3,
    // Several sessions take turns: a waiting one must not spin on the cores the running one needs.
    extra: { session: { force_spinning_stop: "1" } },
    ...(settings.weights === undefined ? {} : { externalData: [settings.weights] }),
  };
  return typeof graph === "string" ? InferenceSession.create(graph, options) : InferenceSession.create(graph, options);
}

export function floatTensor(data: Float32Array, dims: readonly number[]): Tensor {
  return new Tensor("float32", data, dims);
}

export function doubleTensor(data: Float64Array, dims: readonly number[]): Tensor {
  return new Tensor("float64", data, dims);
}

export function integerTensor(values: readonly number[], dims: readonly number[] = [values.length]): Tensor {
  return new Tensor("int64", BigInt64Array.from(values, BigInt), dims);
}
