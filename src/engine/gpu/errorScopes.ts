const kinds = ["validation", "out-of-memory", "internal"] as const satisfies readonly GPUErrorFilter[];

/** Catches errors of every kind from now on, which would be printed on stdout; the result ends that and tells the first one, if any. */
export function openErrorScopes(device: GPUDevice): () => Promise<GPUError | undefined> {
  for (const kind of kinds) device.pushErrorScope(kind);
  return async () => {
    const errors = await Promise.all(kinds.map(() => device.popErrorScope()));
    return errors.find((error) => error !== null) ?? undefined;
  };
}
