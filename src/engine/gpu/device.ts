import { JakiroError } from "../errors.ts";
import type { Adapter, DeviceAbilities } from "./adapters.ts";
import { dawn, firstLine } from "./dawn.ts";

/** An opened WebGPU device. */
export interface GpuDevice {
  readonly device: GPUDevice;
  /** The adapter's name, for people. */
  readonly name: string;
  /** What made the adapter and what drives it, with the driver's version. */
  readonly driver: string;
  readonly software: boolean;
  readonly abilities: DeviceAbilities;
  /** Lanes that every subgroup has, a power of two; 0 where kernels are to use none. One choice for all that runs on the device. */
  readonly lanes: number;
  /** Rows of every tile of a forward's products, where tiles of different sizes would give a row other bits. */
  readonly tile?: number;
}

/** Without shader-f16: float16 is only what things are kept in, which core WGSL reads and writes. */
const wantedFeatures = ["subgroups", "timestamp-query"] as const satisfies readonly GPUFeatureName[];

/** What of an adapter names it. */
export type AdapterName = Pick<Adapter, "name" | "backend" | "software">;

/**
 * Opens an adapter with all the limits it has, and those features that kernels may use. Throws JakiroError("model") with the
 * reason where it cannot be opened.
 */
export async function openDevice(named: AdapterName): Promise<GpuDevice> {
  const { name, software } = named;
  const adapter = await requestAdapter(named);
  const requiredLimits: Record<string, number> = {};
  for (const limit in adapter.limits) {
    const value = adapter.limits[limit as keyof GPUSupportedLimits];
    if (typeof value === "number") requiredLimits[limit] = value;
  }
  const requiredFeatures = wantedFeatures.filter((feature) => adapter.features.has(feature));
  const device = await opened(name, adapter.requestDevice({ requiredFeatures, requiredLimits }));
  const { vendor, architecture, description } = adapter.info;
  const driver = [vendor, architecture, description].join(" ");
  const abilities = abilitiesOf(adapter.features);
  return { device, name, driver, software, abilities, lanes: abilities.subgroups ? lanesOf(adapter.info) : 0 };
}

export async function requestAdapter(named: AdapterName): Promise<GPUAdapter> {
  const { name, backend, software } = named;
  const quiet = keepDriversQuiet(software);
  try {
    const gpu = await dawn(name, backend);
    const adapter = await opened(name, gpu.requestAdapter());
    if (adapter === null) throw new JakiroError("model", `The GPU ${name} is not there any more.`);
    return adapter;
  } finally {
    quiet.end();
  }
}

export function abilitiesOf(features: GPUSupportedFeatures): DeviceAbilities {
  return {
    f16: features.has("shader-f16"),
    subgroups: features.has("subgroups"),
    timestamps: features.has("timestamp-query"),
  };
}

/** A single lane adds nothing up. */
function lanesOf({ subgroupMinSize: lanes = 0 }: GPUAdapterInfo): number {
  return lanes > 1 && Number.isInteger(Math.log2(lanes)) ? lanes : 0;
}

async function opened<Value>(name: string, opening: Promise<Value>): Promise<Value> {
  try {
    return await opening;
  } catch (error) {
    throw new JakiroError("model", `The GPU ${name} cannot be opened (${firstLine(error)}).`, { cause: error });
  }
}

/** Vulkan drivers that render in software; they complain of machines that lack something for it. */
const softwareDrivers = "*lvp*,*swiftshader*";

/**
 * Drivers write what they miss to this process's stderr, which is the user's: while they are loaded they shall miss nothing.
 * What the user set stays as it is.
 */
function keepDriversQuiet(software: boolean): { end(): void } {
  if (process.platform !== "linux") return { end: () => undefined };
  const { env } = process;
  if (!software) env["VK_LOADER_DRIVERS_DISABLE"] ??= softwareDrivers;
  if (env["XDG_RUNTIME_DIR"] !== undefined) return { end: () => undefined };
  // They look for a display's socket in there; that there is none is no fault.
  env["XDG_RUNTIME_DIR"] = "/";
  return {
    end() {
      delete env["XDG_RUNTIME_DIR"];
    },
  };
}
