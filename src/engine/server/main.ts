import { parseArgs } from "node:util";
import { exitCodes, JakiroError } from "../errors.ts";
import { logTo } from "./log.ts";
import { serve } from "./server.ts";

// The engine process: `node dist/engine.js --build BUILD`.
const log = logTo((line) => process.stderr.write(line));

process.on("uncaughtException", (error) => {
  log(`Unexpected, the process ends: ${error.stack ?? error.message}`);
  process.exit(1);
});

const ending = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => ending.abort());

/**
 * Tests shorten its waits: --linger-ms is the time without any connection after which it ends, --minute-ms the length of a
 * minute of `idleMinutes`.
 */
function options() {
  const { values } = parseArgs({
    options: { build: { type: "string" }, "linger-ms": { type: "string" }, "minute-ms": { type: "string" } },
  });
  const { build, "linger-ms": lingerMs, "minute-ms": minuteMs } = values;
  if (!build) throw new JakiroError("usage", "The engine process is started by the editor, with --build BUILD.");
  return {
    build,
    ...(lingerMs === undefined ? {} : { lingerMs: Number(lingerMs) }),
    ...(minuteMs === undefined ? {} : { minuteMs: Number(minuteMs) }),
  };
}

async function main(): Promise<number> {
  try {
    await serve({ ...options(), log, signal: ending.signal });
    return 0;
  } catch (error) {
    if (ending.signal.aborted) return 0;
    log(error instanceof Error ? error.message : String(error));
    return error instanceof JakiroError ? error.exitCode : exitCodes.io;
  }
}

// The runtime's threads would keep the process alive.
main().then((code) => process.exit(code));
