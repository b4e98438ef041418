import { JakiroError } from "../errors.ts";

/** Dawn hides f16 on NVIDIA's Vulkan driver unless asked: `doctor` tells what the adapter has. */
const enabledToggles = ["vulkan_enable_f16_on_nvidia"];
/** Kernels check their own bounds, and buffers are written before they are read. */
const deviceToggles = ["disable_robustness", "disable_workgroup_init", "disable_polyfills_on_integer_div_and_mod"];
/** Browsers round times to 0.1 ms for privacy's sake; kernels take less. */
const disabledToggles = ["timestamp_quantization"];

const instances = new Map<string, Promise<GPU>>();

/**
 * Dawn's entry point, seeing the named adapter of the backend alone; made once, since the process cannot end by itself while
 * one is referenced. Throws JakiroError("model") where Dawn does not run here.
 */
export function dawn(adapter?: string, backend?: string): Promise<GPU> {
  const flags = [
    `enable-dawn-features=${[...enabledToggles, ...deviceToggles].join(",")}`,
    `disable-dawn-features=${disabledToggles.join(",")}`,
    ...(adapter === undefined ? [] : [`adapter=${adapter}`]),
    ...(backend === undefined ? [] : [`backend=${backend}`]),
  ];
  const key = flags.join();
  let instance = instances.get(key);
  if (instance === undefined) {
    instance = load(flags);
    instances.set(key, instance);
  }
  return instance;
}

async function load(flags: string[]): Promise<GPU> {
  // There Dawn cannot map a buffer, and so nothing comes back from the device.
  if (process.versions["electron"] !== undefined) {
    throw new JakiroError("model", "The GPU needs a Node.js of its own, and the engine runs in the editor's.");
  }
  try {
    const { create, globals } = await import("webgpu");
    Object.assign(globalThis, globals);
    return create(flags);
  } catch (error) {
    throw new JakiroError("model", `WebGPU cannot be loaded here (${firstLine(error)}).`, { cause: error });
  }
}

/** What an error says, without what stands behind its first line. */
export function firstLine(error: unknown): string {
  const { message = String(error) } = error as { readonly message?: string };
  return message.split("\n")[0]!;
}
