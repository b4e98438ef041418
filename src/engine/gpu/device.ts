import { JakiroError } from "../errors.ts";

/** Which adapter to open. */
export interface AdapterChoice {
  /** A part of the adapter's name that the user set, without regard to case. */
  readonly name?: string;
  /** Software adapters are slower than the CPU engine: they serve tests alone. */
  readonly allowSoftware?: boolean;
}

/** What a kernel may rely on beyond the core of WebGPU. */
export interface DeviceAbilities {
  readonly f16: boolean;
  readonly subgroups: boolean;
  readonly timestamps: boolean;
}

/** An opened WebGPU device. */
export interface GpuDevice {
  readonly device: GPUDevice;
  /** The adapter's own description, for people. */
  readonly name: string;
  /** What made the adapter and what drives it, with the driver's version. */
  readonly driver: string;
  readonly software: boolean;
  readonly abilities: DeviceAbilities;
}

/** Dawn blocks f16 on NVIDIA's Vulkan driver unless asked; the self-test decides whether it is right. */
const enabledToggles = ["vulkan_enable_f16_on_nvidia"];
/** Kernels check their own bounds, and buffers are written before they are read. */
const deviceToggles = ["disable_robustness", "disable_workgroup_init", "disable_polyfills_on_integer_div_and_mod"];
/** Browsers round times to 0.1 ms for privacy's sake; kernels take less. */
const disabledToggles = ["timestamp_quantization"];
const wantedFeatures = ["shader-f16", "subgroups", "timestamp-query"] as const satisfies readonly GPUFeatureName[];

let instance: Promise<GPU> | undefined;

/** Dawn's entry point, one per process: the process cannot end by itself while one is referenced. */
function dawn(): Promise<GPU> {
  instance ??= import("webgpu").then(({ create, globals }) => {
    Object.assign(globalThis, globals);
    return create([
      `enable-dawn-features=${[...enabledToggles, ...deviceToggles].join(",")}`,
      `disable-dawn-features=${disabledToggles.join(",")}`,
    ]);
  });
  return instance;
}

/**
 * Opens the adapter that the user named, else a discrete one, else an integrated one, with the limits and features it has.
 * Throws JakiroError("model") with the reason where none can be used.
 */
export async function openDevice(choice: AdapterChoice = {}): Promise<GpuDevice> {
  let gpu: GPU;
  try {
    gpu = await dawn();
  } catch (error) {
    throw new JakiroError("model", `WebGPU cannot be loaded here (${messageOf(error)}); use --device cpu.`, {
      cause: error,
    });
  }
  const adapter = await chooseAdapter(gpu, choice);
  const features = wantedFeatures.filter((feature) => adapter.features.has(feature));
  const requiredLimits: Record<string, number> = {};
  for (const name in adapter.limits) {
    const value = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === "number") requiredLimits[name] = value;
  }
  const device = await adapter.requestDevice({ requiredFeatures: features, requiredLimits });
  return {
    device,
    name: nameOf(adapter),
    driver: [adapter.info.vendor, adapter.info.architecture, adapter.info.description].join(" "),
    software: adapter.info.isFallbackAdapter,
    abilities: {
      f16: device.features.has("shader-f16"),
      subgroups: device.features.has("subgroups"),
      timestamps: device.features.has("timestamp-query"),
    },
  };
}

async function chooseAdapter(gpu: GPU, { name, allowSoftware = false }: AdapterChoice): Promise<GPUAdapter> {
  const found: GPUAdapter[] = [];
  for (const powerPreference of ["high-performance", "low-power"] as const) {
    const adapter = await gpu.requestAdapter({ powerPreference });
    if (adapter !== null) found.push(adapter);
  }
  const usable = found.filter((adapter) => allowSoftware || !adapter.info.isFallbackAdapter);
  if (name !== undefined) {
    const named = usable.find((adapter) => nameOf(adapter).toLowerCase().includes(name.toLowerCase()));
    if (named !== undefined) return named;
    const names = usable.map(nameOf).join(", ") || "none";
    throw new JakiroError(
      "model",
      `There is no GPU called "${name}" (found: ${names}); name another or use --device cpu.`,
    );
  }
  if (usable[0] !== undefined) return usable[0];
  throw new JakiroError(
    "model",
    found.length > 0
      ? `The only GPU here is emulated in software (${nameOf(found[0]!)}), which is slower than the CPU; use --device cpu.`
      : "No GPU that WebGPU can use was found: install the graphics driver's Vulkan part, or use --device cpu.",
  );
}

function nameOf({ info }: GPUAdapter): string {
  return info.device || info.description || `${info.vendor} ${info.architecture}`.trim();
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}
