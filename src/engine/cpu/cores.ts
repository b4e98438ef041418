import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Memory-bound work gains nothing from more threads than this. */
const mostThreads = 8;

/** Threads to decode with: one per physical core this process may use. */
export function decodingThreads(): number {
  const logical = availableParallelism();
  return Math.max(1, Math.min(mostThreads, logical, physicalCores() ?? logical));
}

/** Counted from Linux's own table; unknown elsewhere. */
function physicalCores(): number | undefined {
  try {
    const cores = new Set<string>();
    for (const block of readFileSync("/proc/cpuinfo", "utf8").split("\n\n")) {
      const package_ = /^physical id\s*:\s*(\d+)/m.exec(block)?.[1];
      const core = /^core id\s*:\s*(\d+)/m.exec(block)?.[1];
      if (package_ !== undefined && core !== undefined) cores.add(`${package_}.${core}`);
    }
    return cores.size > 0 ? cores.size : undefined;
  } catch {
    return undefined;
  }
}
