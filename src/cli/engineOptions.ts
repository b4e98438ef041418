import type { SamplingOptions } from "../engine/decoding/sampling.ts";
import type { TreeSizes } from "../engine/decoding/strategy.ts";
import { Engine } from "../engine/engine.ts";
import { locateModel } from "../engine/model/installed.ts";
import type { DecodingOptions, ModelOptions } from "./arguments.ts";
import type { CommandContext } from "./command.ts";

/**
 * Loads the model that the options name. Throws JakiroError for what is not there or does not fit.
 * @param sessions most sessions at a time
 */
export async function loadEngine(
  options: ModelOptions,
  { progress, signal, note }: CommandContext,
  sessions = 1,
): Promise<Engine> {
  const { path } = await locateModel(options.model);
  return await Engine.load({
    path,
    progress,
    signal,
    sessions,
    onNote: note,
    format: options.weights,
    kv: options.kv,
    device: options.device,
    ...(options.adapter === undefined ? {} : { adapter: options.adapter }),
    ...(options.head === undefined ? {} : { head: options.head }),
  });
}

export function samplingOf({ temperature, topK, topP, seed }: DecodingOptions): SamplingOptions {
  return { temperature, topK, topP, seed };
}

export function treeSizesOf({ nodes, depth, branching }: DecodingOptions): TreeSizes {
  return {
    ...(nodes === undefined ? {} : { nodes }),
    ...(depth === undefined ? {} : { depth }),
    ...(branching === undefined ? {} : { branching }),
  };
}
