import { JakiroError } from "../errors.ts";

/** What a kernel may rely on beyond the core of WebGPU. */
export interface DeviceAbilities {
  readonly f16: boolean;
  readonly subgroups: boolean;
  readonly timestamps: boolean;
}

/** A graphics adapter that WebGPU can open, as `searchAdapters` saw it. */
export interface Adapter {
  /** As its driver calls it. */
  readonly name: string;
  /** The interface to the driver: "vulkan", "d3d12", "metal". */
  readonly backend: string;
  /** The driver and its version, as far as it tells. */
  readonly driver: string;
  readonly vendor: string;
  /** A program on the processor that plays a GPU. */
  readonly software: boolean;
  readonly abilities: DeviceAbilities;
  /** Bytes. */
  readonly limits: Readonly<Record<"maxBufferSize" | "maxStorageBufferBindingSize", number>>;
}

/**
 * The adapter to use of those that were found, best first: the one whose name contains what the user set, without regard to
 * case, else the first that is none in software. Those are slower than the processor: they must be asked for by name.
 * Throws JakiroError("model") with the reason where none can be used.
 */
export function chooseAdapter(found: readonly Adapter[], name?: string): Adapter {
  if (name !== undefined) {
    const named = found.find((adapter) => adapter.name.toLowerCase().includes(name.toLowerCase()));
    if (named !== undefined) return named;
    const names = found.map((adapter) => adapter.name).join(", ") || "none";
    throw new JakiroError("model", `There is no GPU called "${name}" (found: ${names}).`);
  }
  const hardware = found.find(({ software }) => !software);
  if (hardware !== undefined) return hardware;
  const reason =
    found[0] === undefined
      ? "No GPU with a driver that WebGPU can use was found"
      : `The only GPU here is emulated in software (${found[0].name}), which is slower than the processor`;
  throw new JakiroError("model", `${reason}.`);
}
