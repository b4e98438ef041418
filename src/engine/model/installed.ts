import { lstat, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { JakiroError } from "../errors.ts";
import { type CatalogueModel, lookUpModel, unknownModel } from "./catalogue.ts";
import { partPath } from "./partFile.ts";
import { modelsDirectory } from "./paths.ts";
import { fileSize } from "./verify.ts";

/** Where this model's file belongs. */
export function modelPath(model: CatalogueModel, folder: string = modelsDirectory()): string {
  return join(folder, model.file);
}

/** What the model folder holds of a model, judged by size alone. */
export interface Installation {
  readonly state: "installed" | "partial" | "absent";
  readonly path: string;
  /** Bytes of the part file where partial. */
  readonly received: number;
  /** The other program's file, where ours is a symbolic link to it. */
  readonly linkedFrom: string | undefined;
}

export async function installation(model: CatalogueModel, folder: string = modelsDirectory()): Promise<Installation> {
  const path = modelPath(model, folder);
  if ((await fileSize(path)) === model.bytes) {
    const linkedFrom = (await lstat(path)).isSymbolicLink() ? await readlink(path) : undefined;
    return { state: "installed", path, received: model.bytes, linkedFrom };
  }
  const received = await fileSize(partPath(path));
  return { state: received === undefined ? "absent" : "partial", path, received: received ?? 0, linkedFrom: undefined };
}

export interface ModelLocation {
  /** A GGUF file or a directory. */
  readonly path: string;
  /** Where the user named a catalogue model. */
  readonly model: CatalogueModel | undefined;
}

/**
 * Where the model that a user names lies: a catalogue name, a file or a directory. Hashes nothing. Throws
 * JakiroError("model") where there is none, with how to get it.
 */
export async function locateModel(nameOrPath: string, folder: string = modelsDirectory()): Promise<ModelLocation> {
  const model = lookUpModel(nameOrPath);
  if (model !== undefined) {
    const { state, path } = await installation(model, folder);
    if (state === "installed") return { path, model };
    const size = `${Math.round(model.bytes / 1e6)} MB`;
    const sentence = `The model ${model.name} is not on this machine`;
    throw new JakiroError("model", `${sentence}; get it with \`jakiro models get ${model.name}\` (${size}).`, {
      inEditor: `${sentence}; choose it again to get it (${size}).`,
    });
  }
  if ((await stat(nameOrPath).catch(() => undefined)) !== undefined) return { path: nameOrPath, model: undefined };
  if (/[\\/]|\.gguf$/i.test(nameOrPath)) {
    throw new JakiroError("model", `There is no model file or directory ${nameOrPath}.`);
  }
  throw unknownModel(nameOrPath);
}
