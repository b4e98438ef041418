import { JakiroError } from "../errors.ts";
import type { ModelConfig, TensorName } from "./checkpoint.ts";
import type { StoredTensor } from "./storedTensor.ts";
import { type TensorEntry, tensorTable } from "./tensorTable.ts";

export interface TensorNaming<Found> {
  fileName(entry: TensorEntry): string;
  /** Tensors of decoder layers, which must all be known: an unknown one means another model than the configuration claims. */
  readonly layerTensor: RegExp;
  /** Tables that can be computed and that early converters stored. */
  readonly ignored: RegExp;
  store(found: Found, entry: TensorEntry): StoredTensor;
}

/** Finds every tensor of the model among a file's, checks its shape, and refuses what is missing or left over, by name. */
export function resolveTensors<Found>(
  path: string,
  config: ModelConfig,
  available: ReadonlyMap<string, Found>,
  naming: TensorNaming<Found>,
): ReadonlyMap<TensorName, StoredTensor> {
  const resolved = new Map<TensorName, StoredTensor>();
  const known = new Set<string>();
  for (const entry of tensorTable(config)) {
    const fileName = naming.fileName(entry);
    known.add(fileName);
    const found = available.get(fileName);
    if (found !== undefined) resolved.set(entry.name, checkedShape(path, entry, naming.store(found, entry)));
    else if (entry.required) throw missingTensor(path, fileName);
  }
  for (const name of available.keys()) {
    if (naming.layerTensor.test(name) && !known.has(name) && !naming.ignored.test(name)) {
      throw new JakiroError(
        "model",
        `${path} has a tensor "${name}", which Jakiro's ${config.architecture} with ${config.layers} layers does not have; choose another model.`,
      );
    }
  }
  return resolved;
}

function checkedShape(path: string, { rows, columns }: TensorEntry, tensor: StoredTensor): StoredTensor {
  if (tensor.rows === rows && tensor.columns === columns) return tensor;
  throw new JakiroError(
    "model",
    `${path} has a tensor "${tensor.fileName}" of ${tensor.rows} x ${tensor.columns} where its configuration needs ${rows} x ${columns}; fetch or convert it again.`,
  );
}

export function missingTensor(path: string, fileName: string): JakiroError {
  return new JakiroError(
    "model",
    `${path} has no tensor "${fileName}"; the file is incomplete, fetch or convert it again.`,
  );
}
