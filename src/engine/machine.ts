import { readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, freemem, platform, totalmem } from "node:os";
import { env } from "onnxruntime-node";
import { decodingThreads } from "./cpu/cores.ts";

/** What results depend on besides the program. */
export interface Machine {
  readonly processor: string;
  readonly architecture: string;
  readonly platform: string;
  /** Instruction sets that int8 arithmetic gains from; undefined where the system does not tell. */
  readonly features: readonly string[] | undefined;
  /** Logical processors this process may use. */
  readonly processors: number;
  /** Threads of one forward. */
  readonly threads: number;
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  readonly node: string;
  readonly onnxruntime: string;
}

/** By the names Linux has for them, in x86 and in ARM processors. */
const featureNames: Readonly<Record<string, string>> = {
  avx2: "AVX2",
  avx_vnni: "AVX-VNNI",
  avx512f: "AVX512",
  avx512_vnni: "AVX512-VNNI",
  amx_int8: "AMX-INT8",
  asimd: "NEON",
  asimddp: "DOTPROD",
  i8mm: "I8MM",
};

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() || "unknown",
    architecture: arch(),
    platform: platform(),
    features: platform() === "linux" ? featuresIn(readFileSync("/proc/cpuinfo", "utf8")) : undefined,
    processors: availableParallelism(),
    threads: decodingThreads(),
    memoryBytes: totalmem(),
    freeMemoryBytes: freemem(),
    node: process.version,
    onnxruntime: env.versions.node ?? env.versions.common,
  };
}

/** Instruction sets that the text of /proc/cpuinfo names. */
export function featuresIn(cpuinfo: string): string[] {
  const flags = new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1]?.split(/\s+/));
  return Object.entries(featureNames).flatMap(([flag, name]) => (flags.has(flag) ? [name] : []));
}
