import { readdirSync, readFileSync } from "node:fs";

/** Ids of the running engine processes that meet their windows in this folder. */
export function engineProcesses(runtimeFolder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((id) => {
      try {
        const commandLine = readFileSync(`/proc/${id}/cmdline`, "utf8");
        const environment = readFileSync(`/proc/${id}/environ`, "utf8");
        return /dist\/engine\.js\0/.test(commandLine) && environment.includes(`XDG_RUNTIME_DIR=${runtimeFolder}\0`);
      } catch {
        return false;
      }
    });
}
