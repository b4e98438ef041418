import { existsSync } from "node:fs";
import { type GpuDevice, openDevice } from "../../src/engine/gpu/device.ts";

/** The software adapter that Debian's chromium brings: the one that every machine can have. */
const softwareDriver = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** As its driver calls it, in part. */
export const softwareAdapter = "SwiftShader";

/** Makes the software adapter the only one that this process and those it starts see. */
export function useSoftwareAdapter(): void {
  if (process.env["VK_DRIVER_FILES"] === undefined && existsSync(softwareDriver)) {
    process.env["VK_DRIVER_FILES"] = softwareDriver;
  }
}

/** A device of its own for a suite; fails, with what is missing, where there is no adapter at all. */
export async function openTestDevice(): Promise<GpuDevice> {
  useSoftwareAdapter();
  return openDevice({ name: softwareAdapter, backend: "vulkan", software: true });
}
