import { createServer } from "node:net";
import { constants, setPriority } from "node:os";
import { prepareFolder, type Rendezvous, readSecret, rendezvousOf } from "../../protocol/rendezvous.ts";
import { Connection, type Services } from "./connection.ts";
import { diagnoseProcess } from "./diagnoseProcess.ts";
import { listen } from "./listen.ts";
import { LoadedModel } from "./loadedModel.ts";
import type { Log } from "./log.ts";
import { ModelHost } from "./modelHost.ts";
import { Requests } from "./requests.ts";

export interface ServeOptions {
  /** Names what this process was built from: it serves windows of the same build alone. */
  readonly build: string;
  readonly log: Log;
  /** Ends the process's work at once. */
  readonly signal: AbortSignal;
  /** Milliseconds without any connection after which it ends. */
  readonly lingerMs?: number;
  /** Milliseconds of a minute of `idleMinutes`: tests have short ones. */
  readonly minuteMs?: number;
  readonly meeting?: Rendezvous;
}

const minute = 60_000;
/** How long a client may take to prove itself, and somebody on our socket's name. */
const proofMs = 10_000;
const stillAliveMs = 5_000;

/** Serves all windows of this user and build until nobody is connected any more; returns at once where another process serves. */
export async function serve(options: ServeOptions): Promise<void> {
  const { build, log, signal, lingerMs = minute, minuteMs = minute, meeting = rendezvousOf(build) } = options;
  signal.throwIfAborted();
  giveWayToOthers();
  // The socket, like the folder, is for this user alone.
  process.umask(0o077);
  await prepareFolder(meeting.folder);
  const secret = await readSecret(meeting.secret);

  const connections = new Set<Connection>();
  const requests = new Requests(() => host.publishReady());
  const host = new ModelHost({
    load: LoadedModel.load,
    isBusy: () => requests.busy,
    onState: (state) => {
      for (const connection of connections) connection.sendState(state);
    },
    log,
    minuteMs,
  });
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  let linger = setTimeout(end, lingerMs);
  let endsSoon = false;
  const services: Services = {
    build,
    secret,
    host,
    requests,
    log,
    proofMs,
    diagnose: () => diagnoseProcess({ build, host, requests, connections: connections.size }),
    endSoon() {
      endsSoon = true;
      if (connections.size <= 1) end();
    },
  };
  const server = createServer((socket) => {
    clearTimeout(linger);
    const connection = new Connection(socket, services, () => {
      connections.delete(connection);
      if (connections.size > 0) return;
      if (endsSoon) end();
      else linger = setTimeout(end, lingerMs);
    });
    connections.add(connection);
  });
  try {
    const path = await listen(server, meeting, { build, secret, patienceMs: stillAliveMs });
    if (path === undefined) return log(`Another engine of build ${build} serves already.`);
    server.on("error", (error) => log(`The socket failed: ${error.message}`));
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    log(`Listening, build ${build}, process ${process.pid}, Node ${process.version}.`);
    await ended;
    log("Ending.");
  } finally {
    clearTimeout(linger);
    server.close();
    for (const connection of connections) connection.close();
    host.dispose();
  }
}

function giveWayToOthers(): void {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // Some systems do not allow it; the editor is then as important as we are.
  }
}
