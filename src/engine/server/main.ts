import { parseArgs } from "node:util";
import { exitCodes, JakiroError } from "../errors.ts";
import { rotateLog } from "../logFile.ts";
import { logTo } from "./log.ts";
import { serve } from "./server.ts";

// The engine process: `node dist/engine.js --build BUILD [--log-file FILE]`. FILE is where its stderr goes: it is kept bounded.
const log = logTo((line) => process.stderr.write(line));

process.on("uncaughtException", (error) => {
  log(`Unexpected, the process ends: ${error.stack ?? error.message}`);
  process.exit(1);
});

const minute = 60_000;

const ending = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => ending.abort());

/**
 * Tests shorten its waits: --linger-ms is the time without any connection after which it ends, --minute-ms the length of a
 * minute of `idleMinutes`.
 */
function options() {
  const { values } = parseArgs({
    options: {
      build: { type: "string" },
      "log-file": { type: "string" },
      "linger-ms": { type: "string" },
      "minute-ms": { type: "string" },
    },
  });
  const { build, "log-file": logFile, "linger-ms": lingerMs, "minute-ms": minuteMs } = values;
  if (!build) throw new JakiroError("usage", "The engine process is started by the editor, with --build BUILD.");
  return {
    build,
    logFile,
    ...(lingerMs === undefined ? {} : { lingerMs: Number(lingerMs) }),
    ...(minuteMs === undefined ? {} : { minuteMs: Number(minuteMs) }),
  };
}

/** What the runtime prints by itself counts too, so it is looked at from time to time. */
function keepBounded(path: string, everyMs: number): void {
  const rotate = () => {
    try {
      rotateLog(path);
    } catch {
      // Somebody removed it: no reason to end, and nowhere to tell of it.
    }
  };
  setInterval(rotate, everyMs).unref();
}

async function main(): Promise<number> {
  try {
    const { logFile, ...given } = options();
    if (logFile !== undefined) keepBounded(logFile, given.minuteMs ?? minute);
    await serve({ ...given, log, signal: ending.signal });
    return 0;
  } catch (error) {
    if (ending.signal.aborted) return 0;
    log(error instanceof Error ? error.message : String(error));
    return error instanceof JakiroError ? error.exitCode : exitCodes.io;
  }
}

// The runtime's threads would keep the process alive.
main().then((code) => process.exit(code));
