import { firstLine } from "./dawn.ts";
import { withErrorScopes } from "./errorScopes.ts";

/**
 * What `make` makes, which allocates and binds without waiting. Rejects with what the device says of that, after `undo`: outside of a
 * scope it would be printed, and the first forward would find something invalid.
 */
export async function allocated<Made>(device: GPUDevice, make: () => Made, undo: (made: Made) => void): Promise<Made> {
  const { result: made, error } = withErrorScopes(device, make);
  const failure = await error;
  if (failure === undefined) return made;
  undo(made);
  throw new Error(firstLine(failure));
}

/** A storage buffer of 32-bit words that can be written, and copied from; `usage` adds to that. */
export function storage(device: GPUDevice, label: string, words: number, usage = 0): GPUBuffer {
  const { STORAGE, COPY_DST, COPY_SRC } = GPUBufferUsage;
  return device.createBuffer({ label, size: words * 4, usage: STORAGE | COPY_DST | COPY_SRC | usage });
}
