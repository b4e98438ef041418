import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const linuxSupplies = "/sys/class/power_supply";
const commandMs = 5000;

/** Whether the computer runs on battery, where the platform tells: Linux and macOS. False elsewhere. */
export async function runsOnBattery(
  platform: NodeJS.Platform = process.platform,
  supplies = linuxSupplies,
): Promise<boolean> {
  try {
    if (platform === "linux") return await linuxOnBattery(supplies);
    if (platform === "darwin") return saysBattery(await output("/usr/bin/pmset", ["-g", "batt"]));
  } catch {
    // No answer is no battery: a desktop has neither the folder nor the command's line.
  }
  return false;
}

/** A battery that is being emptied, and no mains supply that says it is connected. */
async function linuxOnBattery(folder: string): Promise<boolean> {
  const read = async (supply: string, file: string) => {
    const text = await readFile(join(folder, supply, file), "utf8").catch(() => "");
    return text.trim();
  };
  let discharging = false;
  for (const supply of await readdir(folder)) {
    const type = await read(supply, "type");
    if (type === "Mains" && (await read(supply, "online")) === "1") return false;
    // The battery of a mouse or a headset has the scope "Device".
    if (type !== "Battery" || (await read(supply, "scope")) === "Device") continue;
    if ((await read(supply, "status")) === "Discharging") discharging = true;
  }
  return discharging;
}

/** The first line of `pmset -g batt` on macOS names where the power comes from. */
export function saysBattery(text: string): boolean {
  return /^Now drawing from 'Battery Power'/m.test(text);
}

function output(command: string, argv: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, argv, { timeout: commandMs }, (error, stdout) => (error ? reject(error) : resolve(stdout)));
  });
}
