import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { homedir, uptime } from "node:os";
import { delimiter, join } from "node:path";
import { packageVersion } from "../model/catalogue.ts";

/** Folders in which Linux names its drivers. */
const driverFolders = [
  "/etc/vulkan/icd.d",
  "/usr/share/vulkan/icd.d",
  "/usr/local/share/vulkan/icd.d",
  join(homedir(), ".local", "share", "vulkan", "icd.d"),
];
/** Where its devices lie. */
const deviceFolders = ["/dev/dri"];
const devices = /^(nvidia.*|dxg|kfd)$/;
/** What loaders of drivers are told by, besides. */
const variables = /^(VK_.*|XDG_DATA_.*|XDG_CONFIG_.*|MESA_.*|DRI_.*|DISPLAY|WAYLAND_DISPLAY)$/;

/** Names this boot with its graphics devices and drivers, as far as files tell: another name means another search for GPUs. */
export async function driverState(): Promise<string> {
  const named = process.env["VK_DRIVER_FILES"] ?? process.env["VK_ICD_FILENAMES"] ?? "";
  const drivers = await Promise.all([...driverFolders.map(driversIn), ...named.split(delimiter).map(timed)]);
  const present = await Promise.all(deviceFolders.map(namesIn));
  const others = (await namesIn("/dev")).filter((name) => devices.test(name));
  const told = Object.entries(process.env).filter(([name]) => variables.test(name));
  const state = [packageVersion(), await bootName(), drivers, present, others, told.sort()];
  return createHash("sha256").update(JSON.stringify(state)).digest("hex").slice(0, 32);
}

async function bootName(): Promise<string> {
  try {
    return await readFile("/proc/sys/kernel/random/boot_id", "utf8");
  } catch {
    // Where a boot has no name, the minute of its beginning.
    return String(Math.round((Date.now() / 1000 - uptime()) / 60));
  }
}

async function driversIn(folder: string): Promise<string[]> {
  return await Promise.all((await namesIn(folder)).map((name) => timed(join(folder, name))));
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch {
    return [];
  }
}

async function timed(file: string): Promise<string> {
  try {
    return `${file} ${(await stat(file)).mtimeMs}`;
  } catch {
    return file;
  }
}
