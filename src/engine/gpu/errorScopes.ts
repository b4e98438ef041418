const kinds = ["validation", "out-of-memory", "internal"] as const satisfies readonly GPUErrorFilter[];

/** A device keeps its scopes on one stack: what overlaps without lying inside each other shares those at its bottom. */
const shared = new WeakMap<GPUDevice, Set<Listener>>();

/** Somebody who wants to hear of errors; each promise tells of a stretch of time. */
interface Listener {
  readonly heard: Promise<GPUError | undefined>[];
}

/**
 * Catches errors of every kind from now on, which would be printed on stdout; the result ends that and tells the first one, if any.
 * Pieces of work that overlap hear each other's errors: nobody can tell whose they are, and no result that follows one can be relied on.
 */
export function openErrorScopes(device: GPUDevice): () => Promise<GPUError | undefined> {
  const listeners = shared.get(device) ?? new Set();
  shared.set(device, listeners);
  if (listeners.size === 0) pushScopes(device);
  const listener: Listener = { heard: [] };
  listeners.add(listener);
  return async () => {
    const error = popScopes(device);
    for (const { heard } of listeners) heard.push(error);
    listeners.delete(listener);
    if (listeners.size > 0) pushScopes(device);
    return (await Promise.all(listener.heard)).find((heard) => heard !== undefined);
  };
}

/**
 * What `work` does without waiting, and the first error of any kind that the device has of it, if any. Only this work's: it lies
 * inside of whatever else is being listened to.
 */
export function withErrorScopes<Result>(
  device: GPUDevice,
  work: () => Result,
): { readonly result: Result; readonly error: Promise<GPUError | undefined> } {
  pushScopes(device);
  let error: Promise<GPUError | undefined> | undefined;
  try {
    const result = work();
    error = popScopes(device);
    return { result, error };
  } finally {
    if (error === undefined) popScopes(device).catch(() => undefined);
  }
}

function pushScopes(device: GPUDevice): void {
  for (const kind of kinds) device.pushErrorScope(kind);
}

async function popScopes(device: GPUDevice): Promise<GPUError | undefined> {
  const errors = await Promise.all(kinds.map(() => device.popErrorScope()));
  return errors.find((error) => error !== null) ?? undefined;
}
