import { randomUUID } from "node:crypto";
import { readFile, rename, stat, unlink, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { writeFailure } from "./partFile.ts";

const heartbeatMs = 5_000;
const staleMs = 20_000;
const pollMs = 200;

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once if another process holds the lock. */
  readonly onWait?: (() => void) | undefined;
}

export interface FileLock {
  release(): Promise<void>;
}

/**
 * Takes the lock that `path` stands for, waiting for other holders, in this process or another. A lock whose owner died, or
 * whose owner has not touched it for 20 s, is taken over.
 */
export async function acquireLock(path: string, { signal, onWait }: LockOptions = {}): Promise<FileLock> {
  const owner = JSON.stringify({ host: hostname(), pid: process.pid, id: randomUUID() });
  let waited = false;
  while (!(await create(path, owner))) {
    if (!waited) onWait?.();
    waited = true;
    const stale = await staleOwner(path);
    if (stale === undefined) await sleep(pollMs, undefined, { signal });
    else await removeStale(path, stale);
  }

  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, heartbeatMs);
  heartbeat.unref();
  return {
    async release() {
      clearInterval(heartbeat);
      if ((await readFile(path, "utf8").catch(() => "")) === owner) await unlink(path).catch(() => undefined);
    },
  };
}

async function create(path: string, owner: string): Promise<boolean> {
  try {
    await writeFile(path, owner, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw writeFailure(error, path);
  }
}

/** The content of a lock that nobody keeps any more. */
async function staleOwner(path: string): Promise<string | undefined> {
  try {
    const [{ mtimeMs }, text] = await Promise.all([stat(path), readFile(path, "utf8")]);
    if (Date.now() - mtimeMs > staleMs) return text;
    const owner = parseOwner(text);
    return owner?.host === hostname() && !isRunning(owner.pid) ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Two waiters may find the same stale lock: the slower one must not remove the lock that the faster one has just made. */
async function removeStale(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
    if ((await readFile(aside, "utf8")) === stale) await unlink(aside);
    else await rename(aside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw writeFailure(error, path);
  }
}

/** Undefined for a lock whose owner has not finished writing it. */
function parseOwner(text: string): { host: string; pid: number } | undefined {
  try {
    return JSON.parse(text) as { host: string; pid: number };
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
