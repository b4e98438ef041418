import type { Engine } from "./engine.ts";
import { freshAdapters } from "./gpu/adapterMemory.ts";
import { type Adapter, chooseAdapter } from "./gpu/adapters.ts";
import type { DeviceChoice } from "./placement.ts";

/** A graphics adapter, and what became of it. */
export interface FoundAdapter extends Adapter {
  readonly used: boolean;
  /** Why it is used or not. */
  readonly reason: string;
}

export interface DeviceDiagnosis {
  /** Where the model runs, or would run. */
  readonly device: "cpu" | "gpu";
  readonly deviceReason: string;
  readonly adapters: readonly FoundAdapter[];
}

/** What the user wants a model to run on. */
export interface DeviceWish {
  readonly device: DeviceChoice;
  /** Part of the GPU's name. */
  readonly adapter?: string | undefined;
}

/** What was loaded, as far as devices concern it. */
type Placed = Pick<Engine, "device" | "adapter" | "deviceReason" | "deviceComparison"> &
  Partial<Pick<Engine, "lanes" | "tile" | "replacement">>;

/** Tells which device was chosen and why; where the processor was, no driver is touched. */
export async function diagnoseDevices(
  placed: Placed | undefined,
  wish: DeviceWish,
  find: () => Promise<readonly Adapter[]> = freshAdapters,
): Promise<DeviceDiagnosis> {
  if (wish.device === "cpu") return { device: "cpu", deviceReason: "The processor was chosen.", adapters: [] };
  let found: readonly Adapter[] = [];
  let chosen: Adapter | undefined;
  let refusal: string | undefined;
  try {
    found = await find();
    chosen = chooseAdapter(found, wish.adapter);
  } catch (error) {
    refusal = (error as Error).message;
  }
  const adapters = found.map((adapter) => {
    const used = placed?.device === "gpu" && placed.adapter === adapter.name;
    return { ...adapter, used, reason: used ? "the model runs on it" : reasonAgainst(adapter) };
  });
  if (placed?.device === "gpu") {
    const subgroups = placed.lanes ? `with subgroups of ${placed.lanes}` : "without subgroups";
    const tiles =
      placed.tile === undefined
        ? ""
        : `, always ${placed.tile} tokens together because its driver adds up otherwise for others`;
    const used = `${placed.adapter} can be used, ${subgroups}${tiles}.`;
    const reasons = [used, placed.replacement, placed.deviceComparison];
    return { device: "gpu", deviceReason: reasons.filter((reason) => reason !== undefined).join(" "), adapters };
  }
  if (placed === undefined && chosen !== undefined) {
    return { device: "gpu", deviceReason: `${chosen.name} can be opened; no model was loaded onto it.`, adapters };
  }
  const reason = placed?.deviceReason ?? refusal ?? "The model was loaded when no GPU could be used.";
  return { device: "cpu", deviceReason: reason, adapters };

  function reasonAgainst(adapter: Adapter): string {
    if (adapter === chosen) return placed?.deviceReason ?? "no model was loaded";
    if (wish.adapter !== undefined) return `it is not the one called "${wish.adapter}"`;
    if (adapter.software) return "emulated in software, slower than the processor: used only where it is named";
    return "another one is used";
  }
}
