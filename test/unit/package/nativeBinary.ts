export interface BinaryKind {
  readonly os: "linux" | "win32" | "darwin";
  /** "universal": for both, in one file. */
  readonly cpu: "x64" | "arm64" | "universal" | "other";
}

const elfMachines: Readonly<Record<number, BinaryKind["cpu"]>> = { 62: "x64", 183: "arm64" };
const peMachines: Readonly<Record<number, BinaryKind["cpu"]>> = { 34404: "x64", 43620: "arm64" };
const machCpus: Readonly<Record<number, BinaryKind["cpu"]>> = { 16777223: "x64", 16777228: "arm64" };

/** What a file that begins like this runs on, by its ELF, PE or Mach-O header; undefined where it is none of these. */
export function binaryKind(head: Buffer): BinaryKind | undefined {
  if (head.length < 64) return undefined;
  if (head.readUInt32BE(0) === 0x7f454c46) return { os: "linux", cpu: elfMachines[head.readUInt16LE(18)] ?? "other" };
  if (head.readUInt32LE(0) === 0xfeedfacf) return { os: "darwin", cpu: machCpus[head.readUInt32LE(4)] ?? "other" };
  if (head.readUInt32BE(0) === 0xcafebabe) {
    const cpus = new Set([0, 1].map((i) => machCpus[head.readUInt32BE(8 + 20 * i)]));
    const both = head.readUInt32BE(4) === 2 && cpus.has("x64") && cpus.has("arm64");
    return { os: "darwin", cpu: both ? "universal" : "other" };
  }
  if (head.toString("latin1", 0, 2) === "MZ") {
    const header = head.readUInt32LE(0x3c);
    if (header + 6 > head.length || head.toString("latin1", header, header + 4) !== "PE\0\0") return undefined;
    return { os: "win32", cpu: peMachines[head.readUInt16LE(header + 4)] ?? "other" };
  }
  return undefined;
}
