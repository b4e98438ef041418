import type { WeightFormat } from "../cpu/packMatrix.ts";
import { JakiroError } from "../errors.ts";
import type { GpuDevice } from "./device.ts";
import type { SelfTestFailure, SelfTestSubject, SelfTestVerdict } from "./selfTest.ts";
import { type CacheFormat, commonTile } from "./targetKernels.ts";

/** A model's shape and what it is kept in on a device. */
export interface KernelSubject extends SelfTestSubject {
  readonly cacheFormat: CacheFormat;
}

/** Kernels that compute on a device what they should. */
export interface KernelVariant<Subject extends KernelSubject> {
  /** The device as it was opened, or without subgroups, or with a single size of tiles. */
  readonly gpu: GpuDevice;
  /** What was asked for, or float32 in the place of its float16. */
  readonly subject: Subject;
  /** Why something is float32 that was to be float16, in one sentence; absent where all is as it was asked for. */
  readonly replacement?: string;
}

/**
 * The kernels that come closest to what was asked for and pass the self-test: those without subgroups in the place of those with
 * them, one size of tiles where sizes disagree, float32 in the place of float16. What is float32 costs memory, never exactness.
 * Throws JakiroError("model") that names the kernels which fail even so.
 */
export async function rightVariant<Subject extends KernelSubject>(
  gpu: GpuDevice,
  subject: Subject,
  test: (gpu: GpuDevice, subject: Subject) => Promise<SelfTestVerdict>,
): Promise<KernelVariant<Subject>> {
  let first: SelfTestVerdict | undefined;
  let last: SelfTestVerdict | undefined;
  for (const tried of withLessFloat16(subject)) {
    const { device, verdict } = await rightDevice(gpu, (candidate) => test(candidate, tried));
    if (verdict.ok) {
      if (first === undefined) return { gpu: device, subject: tried };
      return { gpu: device, subject: tried, replacement: replacementSentence(gpu.name, subject, tried, first) };
    }
    first ??= verdict;
    last = verdict;
  }
  throw new JakiroError("model", `The GPU ${gpu.name} computes wrongly with its present driver (${kernelsOf(last!)}).`);
}

/** The subject itself, then what of its float16 can be given up: keys and values before weights, which are the larger part. */
function withLessFloat16<Subject extends KernelSubject>(subject: Subject): Subject[] {
  const caches =
    subject.cacheFormat === "float16" ? (["float16", "float32"] as const) : ([subject.cacheFormat] as const);
  const formats: readonly WeightFormat[] = subject.format === "float16" ? ["float16", "float32"] : [subject.format];
  return formats.flatMap((format) => caches.map((cacheFormat) => ({ ...subject, format, cacheFormat })));
}

/** The device with as much of what it can do as passes, or the last verdict on it. */
async function rightDevice(
  gpu: GpuDevice,
  test: (gpu: GpuDevice) => Promise<SelfTestVerdict>,
): Promise<{ readonly device: GpuDevice; readonly verdict: SelfTestVerdict }> {
  const verdict = await test(gpu);
  if (!verdict.ok && gpu.lanes > 0) return await rightDevice({ ...gpu, lanes: 0 }, test);
  if (!verdict.ok && gpu.tile === undefined && verdict.failures.every(dependsOnTile))
    return await rightDevice({ ...gpu, tile: commonTile }, test);
  return { device: gpu, verdict };
}

function dependsOnTile({ fault, tile }: SelfTestFailure): boolean {
  return fault === "rows" && tile !== undefined;
}

function replacementSentence(
  name: string,
  wanted: KernelSubject,
  used: KernelSubject,
  failed: SelfTestVerdict,
): string {
  const parts = [
    ...(wanted.format === used.format ? [] : ["Weights"]),
    ...(wanted.cacheFormat === used.cacheFormat ? [] : ["keys and values"]),
  ].join(", ");
  const subject = `${parts[0]!.toUpperCase()}${parts.slice(1)}`;
  return `${subject} are float32 on the GPU ${name}: with its present driver kernels for float16 fail (${kernelsOf(failed)}).`;
}

/** Names of the kernels that failed. */
function kernelsOf({ failures }: SelfTestVerdict): string {
  return [...new Set(failures.map(({ kernel }) => kernel))].join(", ");
}
