import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import entries from "../../../models/catalogue.json";
import { closest } from "../closest.ts";
import { JakiroError } from "../errors.ts";
import { type HeadKind, headKinds } from "./headKinds.ts";

/** A file in a Hugging Face repository at one immutable revision. */
export interface HubFile {
  /** "owner/name". */
  readonly repository: string;
  /** Commit hash. */
  readonly revision: string;
  readonly file: string;
}

/** A model this project knows: which bytes it is, where they come from and what it takes to run them. */
export interface CatalogueModel {
  readonly name: string;
  readonly family: string;
  /** File name in the model folder. */
  readonly file: string;
  readonly bytes: number;
  /** Of the whole file, lower-case hexadecimal; the only thing that decides whether a file is this model. */
  readonly sha256: string;
  /** SPDX identifier. */
  readonly licence: string;
  /** Resident memory that running it takes, in bytes. */
  readonly memoryBytes: number;
  /** Folder of its draft heads, one subfolder each, relative to the package's root. */
  readonly heads: string;
  readonly source: HubFile;
}

/** models/catalogue.json, in its order. */
export const catalogue: readonly CatalogueModel[] = entries;

/** What runs where no model is named. */
export const defaultModelName = "qwen2.5-coder-0.5b-instruct";

/** The catalogue's entry of this name, matched without regard to case. */
export function lookUpModel(name: string): CatalogueModel | undefined {
  return catalogue.find((model) => model.name.toLowerCase() === name.toLowerCase());
}

/** Like {@link lookUpModel}; throws JakiroError("model") where there is none. */
export function requireModel(name: string): CatalogueModel {
  const model = lookUpModel(name);
  if (model === undefined) throw unknownModel(name);
  return model;
}

export function unknownModel(name: string): JakiroError {
  const names = catalogue.map((known) => known.name);
  const meant = closest(name, names);
  const hint = meant === undefined ? "" : `; did you mean "${meant}"?`;
  return new JakiroError("model", `There is no model named "${name}"${hint || "."} Known models: ${names.join(", ")}.`);
}

/** Root of the package this code was bundled into: the nearest folder above it that holds the catalogue. */
export function packageRoot(start: string = __dirname): string {
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "models", "catalogue.json"))) return folder;
    if (dirname(folder) === folder) {
      throw new JakiroError(
        "file",
        `Jakiro's own files are incomplete: no models/catalogue.json above ${start}; install it again.`,
      );
    }
  }
}

/** Version of this package, which names what was computed by it and is kept. */
export function packageVersion(root: string = packageRoot()): string {
  return (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }).version;
}

/** Draft heads that ship for this model. */
export function shippedHeads(model: CatalogueModel, root: string = packageRoot()): HeadKind[] {
  return headKinds.filter((kind) => existsSync(join(root, model.heads, kind, "config.json")));
}
