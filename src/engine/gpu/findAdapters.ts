import { fork } from "node:child_process";
import { join } from "node:path";
import { JakiroError } from "../errors.ts";
import { packageRoot } from "../model/catalogue.ts";
import type { AdapterSearch } from "./adapterList.ts";
import type { Adapter } from "./adapters.ts";

/** Milliseconds; drivers that are loaded for the first time take some seconds. */
const patienceMs = 30_000;

/** Looks for adapters in a process of its own: loading a driver may end a process, block it, or write to its output. */
export function searchAdapters(script = probeScript()): Promise<AdapterSearch> {
  return new Promise((resolve) => {
    const probe = fork(script, { execArgv: [], stdio: ["ignore", "ignore", "ignore", "ipc"], timeout: patienceMs });
    const fail = (what: string) => resolve({ failure: `The search for GPUs ${what}` });
    probe.once("message", (found) => resolve(found as AdapterSearch));
    probe.once("error", ({ message }) => fail(`could not be started (${message})`));
    probe.once("exit", (code, signal) =>
      fail(signal === "SIGTERM" ? "took too long" : `was ended by a driver (${signal ?? code})`),
    );
  });
}

/** What a search found. Throws JakiroError("model") with the reason where it failed. */
export function adaptersOf(search: AdapterSearch): readonly Adapter[] {
  if ("adapters" in search) return search.adapters;
  throw new JakiroError("model", sentence(search.failure));
}

function probeScript(): string {
  return join(packageRoot(), "dist", "adapters.js");
}

function sentence(text: string): string {
  return text.endsWith(".") ? text : `${text}.`;
}
