import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

/** An address that leads nowhere by definition (RFC 5737). */
const documentationAddress = "192.0.2.1";

/** Writes a program that runs Node where there is no network, not even the loopback; as the engine's Node in the settings. */
export function writeNodeWithoutNetwork(path: string): void {
  writeFileSync(path, `#!/bin/sh\nexec unshare --net "${process.execPath}" "$@"\n`, { mode: 0o755 });
}

/**
 * How often a process that was started so has tried to reach any address: the kernel refuses that for want of a route,
 * whoever asks within the process, and counts it.
 */
export function refusedConnections(processId: number | "self"): number {
  const counters = ["snmp", "snmp6"].map((name) => readFileSync(`/proc/${processId}/net/${name}`, "utf8"));
  return counters.reduce((sum, text) => sum + noRoutesIn(text), 0);
}

/** Makes such an attempt in such a process. Throws where the kernel does not count it. */
export function checkThatRefusalsCount(node: string): void {
  const script =
    `require("node:net").connect(9, "${documentationAddress}").on("error", () => ` +
    `console.log(require("node:fs").readFileSync("/proc/self/net/snmp", "utf8")))`;
  const { stdout } = spawnSync(node, ["-e", script], { encoding: "utf8" });
  if (noRoutesIn(stdout) !== 1) throw new Error("A connection that was attempted for trial was not counted.");
}

/** Of a counters' file with names in one line and values in the next, or one of each in a line. */
function noRoutesIn(text: string): number {
  const lines = text.split("\n").map((line) => line.trim().split(/\s+/));
  const single = lines.find(([name]) => name === "Ip6OutNoRoutes");
  if (single !== undefined) return Number(single[1]);
  const [names, values] = lines.filter(([name]) => name === "Ip:");
  const count = Number(values?.[names?.indexOf("OutNoRoutes") ?? -1]);
  if (Number.isNaN(count)) throw new Error("The kernel's counters of refused connections cannot be read.");
  return count;
}
