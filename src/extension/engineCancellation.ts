import type { CancellationToken, Disposable } from "vscode-jsonrpc/node";

/** The promise's value, or undefined as soon as the token is cancelled. What becomes of the promise then is not heard of. */
export async function unlessCancelled<Value>(
  promise: Promise<Value>,
  token: CancellationToken | undefined,
): Promise<Value | undefined> {
  if (token === undefined) return promise;
  let listening: Disposable | undefined;
  const cancelled = new Promise<undefined>((resolve) => {
    if (token.isCancellationRequested) resolve(undefined);
    else listening = token.onCancellationRequested(() => resolve(undefined));
  });
  try {
    return await Promise.race([cancelled, promise]);
  } finally {
    listening?.dispose();
  }
}
