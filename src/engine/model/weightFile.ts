import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { JakiroError } from "../errors.ts";

/**
 * A model file opened for reads at offsets; every read is checked against the file's real size, and against changes: embedding
 * rows of other weights than those that were loaded would give nonsense. A file that was removed or replaced can be read on.
 */
export class WeightFile {
  private constructor(
    /** As the user named it, for messages. */
    readonly path: string,
    /** Bytes. */
    readonly size: number,
    private readonly modifiedMs: number,
    private readonly descriptor: number,
  ) {}

  static open(path: string): WeightFile {
    let descriptor: number;
    try {
      descriptor = openSync(path, "r");
    } catch (error) {
      throw unreadable(path, error);
    }
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) {
      closeSync(descriptor);
      throw new JakiroError("model", `${path} is not a regular file; name a GGUF file or a model folder.`);
    }
    return new WeightFile(path, stats.size, stats.mtimeMs, descriptor);
  }

  /** Throws JakiroError("model") where the file is no longer what was opened. */
  checkUnchanged(): void {
    const { size, mtimeMs } = fstatSync(this.descriptor);
    if (size === this.size && mtimeMs === this.modifiedMs) return;
    throw new JakiroError(
      "model",
      `${this.path} was changed while it was in use; try again when it is complete, and it is loaded anew.`,
    );
  }

  /** Fills `into` from byte `offset` on. */
  read(into: Uint8Array, offset: number): void {
    this.checkUnchanged();
    let done = 0;
    while (done < into.length) {
      let count: number;
      try {
        count = readSync(this.descriptor, into, done, into.length - done, offset + done);
      } catch (error) {
        throw unreadable(this.path, error);
      }
      if (count === 0) {
        throw new JakiroError(
          "model",
          `${this.path} ends at byte ${offset + done}, but its header promises more; the file is incomplete, fetch it again.`,
        );
      }
      done += count;
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

function unreadable(path: string, error: unknown): JakiroError {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOENT") {
    const sentence = `${path} does not exist; put it back or choose another GGUF file or model folder`;
    return new JakiroError("model", `${sentence} ("jakiro models list" names some).`, {
      cause: error,
      inEditor: `${sentence}.`,
    });
  }
  const sentence = `${path} cannot be read (${code ?? String(error)}); check the file and its permissions.`;
  return new JakiroError("model", sentence, { cause: error });
}
