import type { InferenceSession, Tensor } from "onnxruntime-node";
import { GraphBuilder } from "../../../src/engine/cpu/onnxWriter.ts";
import { openSession } from "../../../src/engine/cpu/session.ts";
import { MemorySink } from "../../../src/engine/cpu/weightSink.ts";

/** A graph whose weights, if any, lie in memory, ready to be run; the caller releases it. */
export function openGraph(g: GraphBuilder | Uint8Array, sink?: MemorySink): Promise<InferenceSession> {
  const bytes = g instanceof GraphBuilder ? g.finish() : g;
  const weights = sink === undefined ? {} : { weights: { path: MemorySink.location, data: sink.contents() } };
  return openSession(bytes, { threads: 2, ...weights });
}

/** Runs a graph once. */
export async function runGraph(
  g: GraphBuilder,
  feeds: Readonly<Record<string, Tensor>>,
  sink?: MemorySink,
): Promise<InferenceSession.ReturnType> {
  const session = await openGraph(g, sink);
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}
