import { unlink } from "node:fs/promises";
import type { Server } from "node:net";
import type { Rendezvous } from "../../protocol/rendezvous.ts";
import { JakiroError } from "../errors.ts";
import { acquireLock } from "../model/fileLock.ts";
import { whoListens } from "./introduction.ts";

export interface ListenOptions {
  readonly build: string;
  readonly secret: string;
  /** How long whoever holds a name has to prove that it is ours; a forward or a load may keep it from answering at once. */
  readonly patienceMs: number;
}

/**
 * Listens on the first name that can be had, sockets of dead processes removed. Returns the name, or undefined where an engine
 * of ours serves already. Throws JakiroError("io") where strangers hold all names.
 */
export async function listen(server: Server, meeting: Rendezvous, options: ListenOptions): Promise<string | undefined> {
  const lock = await acquireLock(meeting.listenLock);
  try {
    for (const path of meeting.sockets) {
      const found = await claim(server, path, options);
      if (found === "listening") return path;
      if (found === "ours") return undefined;
    }
  } finally {
    await lock.release();
  }
  throw new JakiroError(
    "io",
    "Another program holds the names that Jakiro's engine listens on; end it, or set XDG_RUNTIME_DIR to a folder of yours.",
  );
}

async function claim(server: Server, path: string, options: ListenOptions): Promise<"listening" | "ours" | "taken"> {
  if (await bind(server, path)) return "listening";
  const listener = await whoListens(path, options, options.patienceMs);
  if (listener === "ours") return "ours";
  if (listener === "stranger") return "taken";
  const removed = await unlink(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === "ENOENT",
  );
  return removed && (await bind(server, path)) ? "listening" : "taken";
}

/** Whether the server listens there now; not where the name is taken. */
function bind(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      server.off("listening", onListening);
      if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(false);
      else reject(error);
    };
    const onListening = () => {
      server.off("error", onError);
      resolve(true);
    };
    server.once("error", onError).once("listening", onListening);
    server.listen(path);
  });
}
