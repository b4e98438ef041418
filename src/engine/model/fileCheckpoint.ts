import { JakiroError } from "../errors.ts";
import type { Checkpoint, ModelConfig, TensorName } from "./checkpoint.ts";
import { contentHashOfFiles } from "./contentHash.ts";
import { readStoredRows, type StoredTensor } from "./storedTensor.ts";
import type { HashOptions } from "./verify.ts";
import type { WeightFile } from "./weightFile.ts";

/** A checkpoint whose tensors lie in one or more open files; rows are read and dequantized on demand. */
export class FileCheckpoint implements Checkpoint {
  constructor(
    readonly path: string,
    readonly config: ModelConfig,
    private readonly tensors: ReadonlyMap<TensorName, StoredTensor>,
    /** In the order in which their hashes make the content hash. */
    private readonly files: readonly WeightFile[],
  ) {}

  contentHash(options?: HashOptions): Promise<string> {
    return contentHashOfFiles(
      this.files.map((file) => file.path),
      options,
    );
  }

  has(name: TensorName): boolean {
    return this.tensors.has(name);
  }

  shape(name: TensorName): readonly [number, number] {
    const { rows, columns } = this.stored(name);
    return [rows, columns];
  }

  readRows(name: TensorName, first: number, count: number, into?: Float32Array): Float32Array {
    const tensor = this.stored(name);
    if (first < 0 || count < 0 || first + count > tensor.rows) {
      throw new RangeError(`rows ${first} to ${first + count} of ${name}, which has ${tensor.rows}`);
    }
    const rows = into ?? new Float32Array(count * tensor.columns);
    readStoredRows(tensor, first, count, rows);
    return rows;
  }

  checkUnchanged(): void {
    for (const file of this.files) file.checkUnchanged();
  }

  close(): void {
    for (const file of this.files) file.close();
  }

  private stored(name: TensorName): StoredTensor {
    const tensor = this.tensors.get(name);
    if (tensor === undefined)
      throw new JakiroError("model", `${this.path} has no tensor "${name}"; choose another model.`);
    return tensor;
  }
}
