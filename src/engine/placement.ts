import type { MeasuredCosts } from "./decoding/costModel.ts";
import type { DeviceDecoding } from "./decoding/deviceDecoder.ts";
import type { DeviceLostError, Target } from "./decoding/target.ts";
import { JakiroError } from "./errors.ts";
import type { Profiler } from "./gpu/profile.ts";
import type { Heads } from "./heads.ts";

/** Where a user wants a model to run; "auto" takes a GPU that can be used and writes plain text faster than the processor. */
export type DeviceChoice = "auto" | "cpu" | "gpu";

/** A model on one device, with what it costs there. */
export interface PlacedModel {
  readonly device: "cpu" | "gpu";
  /** The adapter's name; absent for the processor. */
  readonly adapter?: string;
  /** Lanes of a subgroup that the GPU's kernels rely on; 0 where they use none. */
  readonly lanes?: number;
  /** Rows of every tile of the GPU's products, where sizes disagree; absent where they agree. */
  readonly tile?: number;
  /** Why something is float32 on the GPU that was to be float16, in one sentence; absent where nothing is. */
  readonly replacement?: string;
  /** Why drafts may change the text there, in one sentence; absent where every method writes the same. */
  readonly inexactness?: string;
  readonly target: Target;
  readonly heads: Heads;
  /** Decoding by rounds on the device itself; absent where the host drives every forward. */
  readonly decoding?: DeviceDecoding;
  /** Tells where the time goes, kernel by kernel; absent on the processor. */
  readonly profiler?: Profiler;
  /** Milliseconds of a verification by rows, measured at load. */
  readonly verifyCosts: MeasuredCosts["verify"];
  /** Most tokens of one sequence, prompt included. */
  readonly capacity: number;
}

/** Ways to bring a model onto a device. */
export interface Loaders {
  cpu(): Promise<PlacedModel>;
  /** Rejects with the reason where it cannot be used. */
  gpu(): Promise<PlacedModel>;
  /**
   * Milliseconds of a plain token on the processor, as an earlier load measured it; undefined where none did. Absent where the GPU
   * is to be used however slow it is.
   */
  processorTokenMs?(): Promise<number | undefined>;
}

/** Whatever keeps something on a device. */
export interface Resident {
  /** The model has moved: what is not in use is to be given back. */
  moveOut(): void;
}

export interface PlacementOptions {
  /** Told in one sentence what a user should know. */
  readonly onNote: (note: string) => void;
  /** Called whenever the model has moved. */
  readonly onMove?: (() => void) | undefined;
  /** Ends the choice with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from any fixed moment on. */
  readonly now?: (() => number) | undefined;
}

/** Milliseconds until a lost GPU is tried again; each further failure doubles the wait. */
const firstWaitMs = 60_000;
const longestWaitMs = 3_600_000;

/**
 * Where a model runs: on the device that was chosen, on the processor after its GPU was lost, and on a GPU again when that can
 * be had again.
 */
export class Placement {
  private readonly residents = new Set<Resident>();
  private readonly users = new Map<PlacedModel, number>();
  private fleeing: Promise<void> | undefined;
  private retrying: Promise<void> | undefined;
  private waitMs = firstWaitMs;
  /** When the GPU is to be tried again; undefined where none was lost. */
  private retryAt: number | undefined;
  private arrivedAt: number;
  private released = false;
  private readonly now: () => number;
  /** Most tokens of one sequence: the same on whatever device the model is moved to. */
  readonly capacity: number;

  private constructor(
    private readonly loaders: Loaders,
    private readonly options: PlacementOptions,
    private model: PlacedModel,
    private whyCpu: string | undefined,
    /** Which device is the faster one, in one sentence; undefined where they were not compared. */
    readonly comparison: string | undefined,
  ) {
    this.now = options.now ?? (() => performance.now());
    this.arrivedAt = this.now();
    this.capacity = model.capacity;
  }

  /** Throws JakiroError("model") with the reason where the GPU must be used and cannot. */
  static async choose(device: DeviceChoice, loaders: Loaders, options: PlacementOptions): Promise<Placement> {
    if (device === "cpu") return new Placement(loaders, options, await loaders.cpu(), undefined, undefined);
    let gpu: PlacedModel;
    try {
      gpu = await loaders.gpu();
    } catch (error) {
      options.signal?.throwIfAborted();
      const reason = reasonOf(error);
      if (device === "gpu") {
        throw new JakiroError("model", `${reason} Choose auto or cpu as the device.`, {
          cause: error,
          inEditor: `${reason} Set jakiro.device to auto or cpu.`,
          remedy: "device",
        });
      }
      const model = await loaders.cpu();
      options.onNote(`Running on the processor. ${reason}`);
      return new Placement(loaders, options, model, reason, undefined);
    }
    if (device === "gpu") return new Placement(loaders, options, gpu, undefined, undefined);
    const { model, comparison } = await fasterOf(gpu, loaders, options);
    if (model === gpu) return new Placement(loaders, options, model, undefined, comparison);
    options.onNote(`Running on the processor. ${comparison}`);
    return new Placement(loaders, options, model, comparison, comparison);
  }

  /** Where the model is now. */
  get current(): PlacedModel {
    return this.model;
  }

  /** Why the model is on the processor though a GPU would do as well, in one sentence; undefined where that was chosen. */
  get reason(): string | undefined {
    return this.whyCpu;
  }

  /** Registers a resident for as long as the model is loaded, or until it is forgotten. */
  register(resident: Resident): void {
    this.residents.add(resident);
  }

  forget(resident: Resident): void {
    this.residents.delete(resident);
  }

  /** The model where it is now; it stays loaded there until it was left as often as it was entered. */
  enter(): PlacedModel {
    const { model } = this;
    this.users.set(model, (this.users.get(model) ?? 0) + 1);
    return model;
  }

  leave(model: PlacedModel): void {
    const users = this.users.get(model)! - 1;
    if (users > 0) this.users.set(model, users);
    else this.users.delete(model);
    if (users === 0 && model !== this.model) this.release(model);
  }

  /** A forward found its device gone: the model moves to the processor, unless it has done so already. */
  async flee(from: PlacedModel, { message }: DeviceLostError): Promise<void> {
    if (from !== this.model) return;
    this.fleeing ??= this.moveToProcessor(from, message).finally(() => {
      this.fleeing = undefined;
    });
    await this.fleeing;
  }

  /** To be called with every request: tries a lost GPU again once its time has come. Nobody waits for that. */
  retryWhenDue(): void {
    if (this.retryAt === undefined || this.retrying !== undefined || this.now() < this.retryAt) return;
    this.retrying = this.retry().finally(() => {
      this.retrying = undefined;
    });
  }

  /** Gives all memory back, whoever still uses it. */
  async releaseAll(): Promise<void> {
    this.released = true;
    await this.fleeing;
    await this.retrying;
    for (const model of new Set([this.model, ...this.users.keys()])) await releaseModel(model);
  }

  private async moveToProcessor(from: PlacedModel, message: string): Promise<void> {
    if (this.now() - this.arrivedAt > longestWaitMs) this.waitMs = firstWaitMs;
    const reason = `The GPU ${from.adapter} was lost: ${sentence(message)}`;
    this.options.onNote(`${reason} Going on with the processor.`);
    const model = await this.loaders.cpu();
    this.waitLonger();
    this.move(model, reason);
  }

  private async retry(): Promise<void> {
    const { onNote } = this.options;
    try {
      const model = await this.loaders.gpu();
      if (this.released) return await releaseModel(model);
      // Prompts are packed for this length.
      if (model.capacity < this.capacity) {
        await releaseModel(model);
        throw new Error(`it holds ${model.capacity} tokens, and ${this.capacity} are needed`);
      }
      onNote(`On the GPU ${model.adapter} again.`);
      this.retryAt = undefined;
      this.move(model, undefined);
    } catch (error) {
      if (this.released) return;
      this.waitLonger();
      onNote(`The GPU cannot be used yet: ${reasonOf(error)}`);
    }
  }

  private waitLonger(): void {
    this.retryAt = this.now() + this.waitMs;
    this.waitMs = Math.min(2 * this.waitMs, longestWaitMs);
  }

  private move(model: PlacedModel, reason: string | undefined): void {
    const left = this.model;
    this.model = model;
    this.whyCpu = reason;
    this.arrivedAt = this.now();
    if (model.inexactness !== undefined) this.options.onNote(model.inexactness);
    if (!this.users.has(left)) this.release(left);
    for (const resident of this.residents) resident.moveOut();
    this.options.onMove?.();
  }

  private release(model: PlacedModel): void {
    releaseModel(model).catch((error: unknown) => this.options.onNote(`Releasing memory failed: ${reasonOf(error)}`));
  }
}

/**
 * The model where plain text is written faster. The processor is loaded where nobody knows how fast it is: once for a model and a
 * machine, since that is kept.
 */
async function fasterOf(
  gpu: PlacedModel,
  loaders: Loaders,
  { signal, onNote }: PlacementOptions,
): Promise<{ readonly model: PlacedModel; readonly comparison?: string }> {
  if (loaders.processorTokenMs === undefined) return { model: gpu };
  let cpu: PlacedModel | undefined;
  try {
    const known = await loaders.processorTokenMs();
    if (known === undefined) cpu = await loaders.cpu();
    const processorMs = known ?? tokenMs(cpu!);
    const name = `GPU ${gpu.adapter}`;
    if (tokenMs(gpu) <= processorMs) {
      if (cpu !== undefined) await releaseModel(cpu);
      return { model: gpu, comparison: faster(`The ${name}`, tokenMs(gpu), "processor", processorMs) };
    }
    const model = cpu ?? (await loaders.cpu());
    const comparison = faster("The processor", processorMs, name, tokenMs(gpu));
    await releaseModel(gpu).catch((error: unknown) => onNote(`Releasing memory failed: ${reasonOf(error)}`));
    return { model, comparison };
  } catch (error) {
    if (signal?.aborted) {
      await releaseModel(gpu);
      throw error;
    }
    onNote(`The processor could not be compared with the GPU: ${reasonOf(error)}`);
    return { model: gpu };
  }
}

/** Of plain decoding. */
function tokenMs({ verifyCosts }: PlacedModel): number {
  return verifyCosts.find(({ rows }) => rows === 1)?.ms ?? 0;
}

function faster(first: string, firstMs: number, second: string, secondMs: number): string {
  return `${first} is faster than the ${second}: ${milliseconds(firstMs)} a token against ${milliseconds(secondMs)}.`;
}

function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

async function releaseModel({ heads, decoding, target }: PlacedModel): Promise<void> {
  await decoding?.release();
  await heads.release();
  await target.release();
}

function reasonOf(error: unknown): string {
  return sentence(error instanceof Error ? error.message : String(error));
}

function sentence(text: string): string {
  const line = text.split("\n")[0]!;
  return /[.!?]$/.test(line) ? line : `${line}.`;
}
