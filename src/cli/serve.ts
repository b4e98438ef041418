import { logTo } from "../engine/server/log.ts";
import { serve } from "../engine/server/server.ts";
import type { ServeOptions } from "./arguments.ts";
import type { CommandContext } from "./command.ts";

/** Serves editors until Ctrl-C, SIGTERM, or a minute after the last one has gone. */
export async function runServe({ build }: ServeOptions, { signal, note }: CommandContext): Promise<void> {
  const ending = new AbortController();
  signal.addEventListener("abort", () => ending.abort(), { once: true });
  process.once("SIGTERM", () => ending.abort());
  await serve({ build, log: logTo((line) => note(line.trimEnd())), signal: ending.signal });
}
