import type { SamplingOptions } from "../engine/decoding/sampling.ts";
import type { TreeSizes } from "../engine/decoding/strategy.ts";
import { Engine } from "../engine/engine.ts";
import { JakiroError } from "../engine/errors.ts";
import { locateModel } from "../engine/model/installed.ts";
import type { DecodingOptions, ModelOptions } from "./arguments.ts";
import type { CommandContext } from "./command.ts";

/** Loads the model that the options name. Throws JakiroError for what is not there or does not fit. */
export async function loadEngine(options: ModelOptions, { progress, signal, note }: CommandContext): Promise<Engine> {
  if (options.device === "gpu") {
    throw new JakiroError("usage", "This version of Jakiro runs on the CPU alone; leave out --device gpu.");
  }
  const { path } = await locateModel(options.model);
  return await Engine.load({
    path,
    progress,
    signal,
    onNote: note,
    format: options.weights,
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
