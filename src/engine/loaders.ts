import { CpuTarget } from "./cpu/cpuTarget.ts";
import { isQuantized, type WeightFormat } from "./cpu/packMatrix.ts";
import { featureSmoothing } from "./cpu/packTarget.ts";
import type { TargetSequence } from "./decoding/target.ts";
import { JakiroError } from "./errors.ts";
import { freshAdapters, rememberedAdapters } from "./gpu/adapterMemory.ts";
import { type Adapter, chooseAdapter } from "./gpu/adapters.ts";
import { type GpuDevice, openDevice } from "./gpu/device.ts";
import { GpuDecoding } from "./gpu/gpuDecoding.ts";
import { GpuTarget } from "./gpu/gpuTarget.ts";
import { type KernelSubject, rightVariant } from "./gpu/kernelVariants.ts";
import { checkMemory, type MemoryPlan, planMemory, type Room } from "./gpu/memoryPlan.ts";
import { type Profiler, profileForward } from "./gpu/profile.ts";
import type { SelfTestSubject, SelfTestVerdict } from "./gpu/selfTest.ts";
import { rememberedSelfTest } from "./gpu/selfTestMemory.ts";
import { checkTargetShape } from "./gpu/shapeLimits.ts";
import type { CacheFormat } from "./gpu/targetKernels.ts";
import { type HeadSources, Heads, loadCpuHead, openHead } from "./heads.ts";
import { completeCosts, gpuSizes, measureLasting, measureToken, measureVerification } from "./measure.ts";
import { packageVersion } from "./model/catalogue.ts";
import type { ModelConfig } from "./model/checkpoint.ts";
import type { Loaders, PlacedModel } from "./placement.ts";
import { keepLastingCosts, keepTokenMs, knownLastingCosts, knownTokenMs } from "./processorCost.ts";
import type { ProgressListener } from "./progress.ts";
import { rowsAgree } from "./rowCheck.ts";

/** How GPUs are come by. */
export interface GpuAccess {
  /** @param anew whatever an earlier process found */
  find(anew: boolean): Promise<readonly Adapter[]>;
  open(adapter: Adapter): Promise<GpuDevice>;
  /** Whether the kernels of a model's shape compute what they should there. */
  test(gpu: GpuDevice, subject: SelfTestSubject): Promise<SelfTestVerdict>;
}

const systemAccess: GpuAccess = {
  find: (anew) => (anew ? freshAdapters() : rememberedAdapters()),
  open: openDevice,
  // Software adapters are there for tests, which test every kernel one by one.
  test: async (gpu, subject) =>
    gpu.software ? passed : await rememberedSelfTest(gpu, subject, { build: packageVersion() }),
};
const passed: SelfTestVerdict = { ok: true, failures: [] };

/** What a model is loaded from, on any device. */
export interface ModelSources extends HeadSources {
  readonly format: WeightFormat;
  /** How a GPU keeps keys and values; the processor's are float32. */
  readonly cacheFormat: CacheFormat;
  readonly room: Room;
  /** Part of the name of the adapter to use; undefined for the best one that is none in software. */
  readonly adapter: string | undefined;
  /** Whether a GPU is to be looked for though an earlier process found none. */
  readonly searchAnew: boolean;
  readonly gpuAccess?: GpuAccess | undefined;
  readonly progress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Forwards take milliseconds; systems that watch over GPUs end them after seconds. */
const patienceMs = 60_000;

export function loadersOf(sources: ModelSources): Loaders {
  const processorTokenMs = async () => knownTokenMs((await sources.packed()).directory, sources.threads);
  let { searchAnew } = sources;
  return {
    cpu: () => loadOntoCpu(sources),
    gpu: async () => {
      const model = await loadOntoGpu(sources, searchAnew);
      // Once there was one, it may come back.
      searchAnew = true;
      return model;
    },
    // A GPU that was named is to be used.
    ...(sources.adapter === undefined ? { processorTokenMs } : {}),
  };
}

async function loadOntoCpu(sources: ModelSources): Promise<PlacedModel> {
  const { checkpoint, format, threads, room, signal } = sources;
  const target = await CpuTarget.load(checkpoint, await sources.packed(), threads);
  try {
    const sequence = target.sequence(room.capacity);
    const { directory } = await sources.packed();
    const tokenMs = await measureToken(sequence, signal);
    const isBest = await keepTokenMs(directory, threads, tokenMs);
    let lasting = await knownLastingCosts(directory, threads);
    if (lasting === undefined || isBest) {
      lasting = await measureLasting(sequence, signal);
      await keepLastingCosts(directory, threads, lasting);
    }
    const verifyCosts = completeCosts(tokenMs, lasting, sequence);
    return {
      device: "cpu",
      ...(isQuantized(format) ? {} : { inexactness: inexactnessOf(format) }),
      target,
      heads: headsOf(sources),
      verifyCosts,
      capacity: sequence.capacity,
    };
  } catch (error) {
    await target.release();
    throw error;
  }
}

/** `cpu/linear.ts` says why. */
function inexactnessOf(format: WeightFormat): string {
  return `${format} weights on the processor: drafts may change the text, so auto makes none.`;
}

async function loadOntoGpu(sources: ModelSources, searchAnew: boolean): Promise<PlacedModel> {
  const { checkpoint, format, cacheFormat, room, gpuAccess = systemAccess, progress, signal } = sources;
  const adapter = chooseAdapter(await gpuAccess.find(searchAnew), sources.adapter);
  const opened = await gpuAccess.open(adapter);
  const { device, name, software } = opened;
  let target: GpuTarget | undefined;
  try {
    // Before the self-test, which would find kernels that cannot be compiled, and before the model is packed.
    checkTargetShape(checkpoint.config, format, opened);
    const wanted = { config: checkpoint.config, format, cacheFormat };
    const planned = await planChecked(opened, wanted, room);
    const { gpu, subject, replacement } = await rightVariant(opened, wanted, gpuAccess.test);
    const plan = replacement === undefined ? planned : await planChecked(opened, subject, room);
    target = await GpuTarget.load(gpu, checkpoint, await sources.packed(), {
      capacity: plan.capacity,
      sequences: plan.sequences + plan.forks,
      cacheFormat: subject.cacheFormat,
      widened: subject.format !== format,
      progress: (done, total) => {
        signal?.throwIfAborted();
        progress?.({ stage: "Loading the model onto the GPU", done, total, unit: "items" });
      },
      ...(software ? {} : { patienceMs }),
    });
    const loaded = target;
    const compiled = (done: number, total: number) =>
      progress?.({ stage: "Compiling the GPU's kernels", done, total, unit: "items" });
    await target.prepare(compiled);
    signal?.throwIfAborted();
    const sequence = target.sequence(plan.capacity);
    await checkRows(sequence, name);
    signal?.throwIfAborted();
    const verifyCosts = await measureVerification(sequence, gpuSizes, signal);
    sequence.release();
    const smoothing = featureSmoothing(await sources.packed());
    const decoding = new GpuDecoding(target, (kind) => openHead(kind, sources), smoothing, plan.forks, compiled);
    const { capacity } = sequence;
    const profiler: Profiler = {
      forward: (rows, cached) => profileForward(loaded, rows, cached),
      round: (kind, rows, cached) => decoding.profile(kind, rows, cached),
    };
    const { lanes, tile } = gpu;
    return {
      device: "gpu",
      adapter: name,
      lanes,
      ...(tile === undefined ? {} : { tile }),
      ...(replacement === undefined ? {} : { replacement }),
      target,
      heads: headsOf(sources),
      decoding,
      profiler,
      verifyCosts,
      capacity,
    };
  } catch (error) {
    if (target === undefined) device.destroy();
    else await target.release();
    throw error;
  }
}

/** A model and what it is kept in. */
interface LoadedSubject extends KernelSubject {
  readonly config: ModelConfig;
}

/** Throws JakiroError("model") where the memory is too small even without room for forks. */
async function planChecked(gpu: GpuDevice, subject: LoadedSubject, room: Room): Promise<MemoryPlan> {
  const { device, name } = gpu;
  const { config, format, cacheFormat } = subject;
  const plan = planMemory(config, format, { name, limits: device.limits }, room, cacheFormat);
  try {
    await checkMemory(device, name, plan.bytes);
    return plan;
  } catch (error) {
    if (plan.forks === 0) throw error;
    return await planChecked(gpu, subject, { ...room, forks: 0 });
  }
}

/** Throws JakiroError("model") where speculation on this device would change the text. */
async function checkRows(sequence: TargetSequence, name: string): Promise<void> {
  if (await rowsAgree(sequence)) return;
  throw new JakiroError("model", `The GPU ${name} computes several tokens together otherwise than one by one.`);
}

function headsOf(sources: ModelSources): Heads {
  return new Heads((kind) => loadCpuHead(kind, sources));
}
