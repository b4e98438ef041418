import { existsSync } from "node:fs";
import { type GpuDevice, openDevice } from "../../src/engine/gpu/device.ts";

/** The software adapter that Debian's chromium brings: the one that every machine can have. */
const softwareDriver = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** A device of its own for a suite; fails, with what is missing, where there is no adapter at all. */
export async function openTestDevice(): Promise<GpuDevice> {
  if (process.env["VK_DRIVER_FILES"] === undefined && existsSync(softwareDriver)) {
    process.env["VK_DRIVER_FILES"] = softwareDriver;
  }
  return openDevice({ allowSoftware: true });
}
