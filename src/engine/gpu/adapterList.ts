import type { Adapter } from "./adapters.ts";
import { dawn, firstLine } from "./dawn.ts";
import { type AdapterName, abilitiesOf, requestAdapter } from "./device.ts";

/** What the search for adapters ends with: some, or why none can be used. */
export type AdapterSearch = { readonly adapters: readonly Adapter[] } | { readonly failure: string };

/** Backends with all that the kernels need, the one that vendors care for most first. */
const backends: Partial<Record<NodeJS.Platform, readonly string[]>> = { win32: ["d3d12", "vulkan"], darwin: ["metal"] };
const elsewhere = ["vulkan"];

const nobody = "no adapter is called so";

/**
 * Looks for adapters in this process, which a faulty driver may end and all drivers may write to: `searchAdapters` has another
 * process do it. The adapter that the system gives for speed comes first.
 */
export async function listAdapters(): Promise<AdapterSearch> {
  try {
    const names = namesIn(await dawnsList(), backends[process.platform] ?? elsewhere);
    const fastest = names[0] === undefined ? null : await fastestOf(names[0].backend);
    const found: { adapter: Adapter; fastest: boolean }[] = [];
    for (const named of names) {
      const adapter = await requestAdapter({ ...named, software: true });
      found.push({ adapter: describe(named, adapter), fastest: fastest !== null && isSame(adapter, fastest) });
    }
    found.sort((a, b) => Number(b.fastest) - Number(a.fastest));
    return { adapters: found.map(({ adapter }) => adapter) };
  } catch (error) {
    return { failure: firstLine(error) };
  }
}

async function fastestOf(backend: string): Promise<GPUAdapter | null> {
  return await (await dawn(undefined, backend)).requestAdapter({ powerPreference: "high-performance" });
}

/** Dawn says what there is where it does not find what it was asked for; "" where there is nothing at all. */
async function dawnsList(): Promise<string> {
  const gpu = await dawn(nobody);
  try {
    await gpu.requestAdapter();
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

type Named = Pick<AdapterName, "name" | "backend">;

/** The adapters in Dawn's list, each once, by the first of `backends` that has it. */
export function namesIn(list: string, backends: readonly string[]): Named[] {
  const listed = [...list.matchAll(/^ \* backend: '([^']+)', name: '(.+)'$/gm)].map(([, backend, name]) => ({
    name: name!,
    backend: backend!,
  }));
  const ordered = backends.flatMap((backend) => listed.filter((adapter) => adapter.backend === backend));
  return ordered.filter(({ name }, i) => ordered.findIndex((other) => other.name === name) === i);
}

function describe({ name, backend }: Named, { info, features, limits }: GPUAdapter): Adapter {
  const { maxBufferSize, maxStorageBufferBindingSize } = limits;
  return {
    name,
    backend,
    driver: info.description,
    vendor: info.vendor,
    software: info.isFallbackAdapter,
    abilities: abilitiesOf(features),
    limits: { maxBufferSize, maxStorageBufferBindingSize },
  };
}

function isSame({ info: a }: GPUAdapter, { info: b }: GPUAdapter): boolean {
  return (["vendor", "architecture", "device", "description"] as const).every((key) => a[key] === b[key]);
}
