import assert from "node:assert/strict";
import type { GpuDevice } from "../../../src/engine/gpu/device.ts";
import { type KernelSubject, rightVariant } from "../../../src/engine/gpu/kernelVariants.ts";
import type { SelfTestFailure } from "../../../src/engine/gpu/selfTest.ts";
import { commonTile } from "../../../src/engine/gpu/targetKernels.ts";
import { smallConfig } from "../cpu/randomCheckpoint.ts";

const gpu = { name: "Test GPU", lanes: 32 } as GpuDevice;
const wrong = (kernel: string): SelfTestFailure => ({ kernel, fault: "values", message: "off by 1" });

/** What was tried, and what failures it had. */
interface Tried {
  readonly lanes: number;
  readonly tile: number | undefined;
  readonly format: string;
  readonly cacheFormat: string;
}

describe("rightVariant", () => {
  let tries: string[];
  const chosen = async (
    { format, cacheFormat }: Pick<KernelSubject, "format" | "cacheFormat">,
    failuresOf: (tried: Tried) => readonly SelfTestFailure[],
  ) => {
    tries = [];
    const subject = { config: smallConfig, format, cacheFormat };
    const variant = await rightVariant(gpu, subject, async ({ lanes, tile }, { format, cacheFormat = "float32" }) => {
      tries.push([lanes, tile ?? "any", format, cacheFormat].join(" "));
      const failures = failuresOf({ lanes, tile, format, cacheFormat });
      return { ok: failures.length === 0, failures };
    });
    const { lanes, tile } = variant.gpu;
    const { replacement } = variant;
    return { lanes, tile, format: variant.subject.format, cacheFormat: variant.subject.cacheFormat, replacement };
  };

  it("takes what was asked for where that passes, and tries nothing else", async () => {
    const both = { format: "float16", cacheFormat: "float16" } as const;
    assert.deepEqual(await chosen(both, () => []), { lanes: 32, tile: undefined, ...both, replacement: undefined });
    assert.deepEqual(tries, ["32 any float16 float16"]);
  });

  it("keeps keys and values in float32 where only float16 of theirs fails, and subgroups, which are not to blame", async () => {
    const found = await chosen({ format: "int8", cacheFormat: "float16" }, ({ cacheFormat }) =>
      cacheFormat === "float16" ? [wrong("attention float16"), wrong("linearQkv int8")] : [],
    );
    assert.deepEqual(found, {
      ...{ lanes: 32, tile: undefined, format: "int8", cacheFormat: "float32" },
      replacement:
        "Keys and values are float32 on the GPU Test GPU: with its present driver kernels for float16 fail " +
        "(attention float16, linearQkv int8).",
    });
    assert.deepEqual(tries, ["32 any int8 float16", "0 any int8 float16", "32 any int8 float32"]);
  });

  it("widens weights where only theirs fail, and leaves keys and values as they are", async () => {
    const found = await chosen({ format: "float16", cacheFormat: "float16" }, ({ format }) =>
      format === "float16" ? [wrong("linear float16")] : [],
    );
    assert.deepEqual([found.format, found.cacheFormat, found.lanes], ["float32", "float16", 32]);
    assert.match(found.replacement!, /^Weights are float32 on the GPU Test GPU: .* \(linear float16\)\.$/);
  });

  it("gives up both where both fail, and what else the device cannot do", async () => {
    const found = await chosen(
      { format: "float16", cacheFormat: "float16" },
      ({ lanes, tile, format, cacheFormat }) => [
        ...(lanes > 0 ? [wrong("norm")] : []),
        ...(format === "float16" ? [wrong("linear float16")] : []),
        ...(cacheFormat === "float16" ? [wrong("attention float16")] : []),
        ...(tile === undefined ? [{ kernel: "linear", fault: "rows", tile: 4, message: "row 1" } as const] : []),
      ],
    );
    assert.deepEqual([found.format, found.cacheFormat, found.lanes, found.tile], ["float32", "float32", 0, commonTile]);
    assert.match(found.replacement!, /^Weights, keys and values are float32 on the GPU Test GPU: /);
  });

  it("refuses a device that fails in float32 too, and names what fails there", async () => {
    const refused = chosen({ format: "float16", cacheFormat: "float32" }, ({ format }) => [
      ...(format === "float16" ? [wrong("linear float16")] : []),
      wrong("norm"),
    ]);
    await assert.rejects(
      refused,
      /^JakiroError: The GPU Test GPU computes wrongly with its present driver \(norm\)\.$/,
    );
  });
});
