import type { DeviceDecoding } from "../decoding/deviceDecoder.ts";
import { type Ladder, ladderOf } from "../decoding/ladder.ts";
import { DeviceLostError } from "../decoding/target.ts";
import { JakiroError } from "../errors.ts";
import type { HeadFile } from "../model/headFile.ts";
import type { HeadKind } from "../model/headKinds.ts";
import { deepestTree } from "./batchShapes.ts";
import { copySlots } from "./copySlots.ts";
import { firstLine } from "./dawn.ts";
import { attendedRows, mostRows } from "./forwardBuffers.ts";
import { GpuBatch } from "./gpuBatch.ts";
import { GpuDecodingSequence } from "./gpuDecodingSequence.ts";
import { featureWords, GpuHead, type GpuHeadOptions } from "./gpuHead.ts";
import type { GpuTarget } from "./gpuTarget.ts";
import type { CompilationListener } from "./kernels.ts";
import { type Profile, profileRound } from "./profile.ts";
import { PromptReader } from "./promptReader.ts";
import { headScratchSlots, mostBranching } from "./roundLayout.ts";
import { storage } from "./storage.ts";

/** What drafts, if anything does, with its free KV regions and what reads prompts for it. */
interface Drafting {
  readonly head: GpuHead | undefined;
  readonly freeRegions: number[];
  readonly reader: PromptReader;
  /** By ladder: sequences with the same one share rounds. */
  readonly batches: Map<string, GpuBatch[]>;
  /** What drafting costs, once somebody has begun to measure it. */
  draftCosts?: Promise<readonly number[]>;
}

/** What decodes on the device by itself: opens sequences whose rounds run there from the draft to the accepted tokens. */
export class GpuDecoding implements DeviceDecoding {
  private readonly drafting = new Map<HeadKind | undefined, Promise<Drafting>>();
  /** Batches that nobody is in any more, until their buffers are gone. */
  private readonly leaving = new Set<Promise<void>>();
  private forks = 0;

  /**
   * @param openHead the head of a kind, for this target; rejects with JakiroError("model") where there is none
   * @param featureSmoothing divisors of the target's features; undefined for float32 weights
   * @param mostForks of the target's sequences, those that forks may have at a time
   * @param compiled told of the pipelines of heads and rounds as sequences are opened
   */
  constructor(
    private readonly target: GpuTarget,
    private readonly openHead: (kind: HeadKind) => Promise<HeadFile>,
    private readonly featureSmoothing: Float32Array | undefined,
    private readonly mostForks = 0,
    private readonly compiled?: CompilationListener,
  ) {}

  /**
   * Rejects with JakiroError for what the user chose wrongly, a head that is missing or damaged included, and with DeviceLostError
   * where the device fails: it may have too little memory for a head, or a driver that does not compile a kernel.
   */
  open(kind: HeadKind | undefined, ladder: Ladder): Promise<GpuDecodingSequence> {
    return this.openSequence(kind, ladder);
  }

  /**
   * Times a round whose tree of at most `rows` rows such a head drafts behind `cached` tokens and another round, kernel by kernel; a
   * plain one without a head. Undefined where the device has no clock. Nothing else may run meanwhile. Rejects as `open` does.
   */
  async profile(kind: HeadKind | undefined, rows: number, cached: number): Promise<Profile | undefined> {
    const ladder = ladderOf(kind ?? "plain", kind, { nodes: rows });
    const sequence = await this.open(kind, ladder);
    try {
      const { head } = await this.draftingWith(kind);
      for (let done = 0; done < cached; done += attendedRows)
        await sequence.extend(new Array<number>(Math.min(attendedRows, cached - done)).fill(0), 0);
      return await profileRound({ target: this.target, head, ladder, sequence });
    } finally {
      sequence.release();
    }
  }

  async release(): Promise<void> {
    await Promise.all(this.leaving);
    for (const drafting of this.drafting.values()) {
      const { head, reader, batches } = await drafting;
      await Promise.all([...batches.values()].flat().map((batch) => batch.release()));
      reader.release();
      head?.release();
    }
    this.drafting.clear();
  }

  /** @param onRelease called once the sequence is given back, though it be before this has resolved */
  private async openSequence(
    kind: HeadKind | undefined,
    ladder: Ladder,
    onRelease: () => void = () => undefined,
  ): Promise<GpuDecodingSequence> {
    const { target, compiled } = this;
    const make = () =>
      target.inScopes(
        () => this.makeSequence(kind, ladder, onRelease),
        (made) => made.release(),
      );
    try {
      return await target.kernels.compiler.reporting(compiled, make);
    } catch (error) {
      if (error instanceof JakiroError || error instanceof DeviceLostError) throw error;
      throw new DeviceLostError(firstLine(error), { cause: error });
    }
  }

  private async makeSequence(
    kind: HeadKind | undefined,
    ladder: Ladder,
    onRelease: () => void,
  ): Promise<GpuDecodingSequence> {
    const { target } = this;
    const drafting = await this.draftingWith(kind);
    const host = target.sequence();
    const headRegion = drafting.freeRegions.pop()!;
    const feature = storage(
      target.gpu.device,
      "last feature of a prompt",
      featureWords(target.config.hidden, target.kernels.quantize),
    );
    const giveBack = () => {
      host.release();
      drafting.freeRegions.push(headRegion);
      feature.destroy();
    };
    try {
      const { batch, draftCosts, leave } = await this.enterBatch(drafting, ladder);
      return new GpuDecodingSequence({
        scheduler: batch.scheduler,
        rungs: batch.rungs,
        draftCosts,
        reader: drafting.reader,
        host,
        headRegion,
        feature,
        fork: (from) => this.fork(from, drafting, kind, ladder),
        giveBack() {
          leave();
          giveBack();
          onRelease();
        },
      });
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  private async enterBatch(drafting: Drafting, ladder: Ladder) {
    const { batches, head } = drafting;
    const key = JSON.stringify(ladder);
    const alike = batches.get(key) ?? [];
    batches.set(key, alike);
    let batch = alike.find(({ hasRoom }) => hasRoom);
    if (batch === undefined) {
      batch = new GpuBatch(this.target, head, ladder);
      alike.push(batch);
    }
    const own = batch;
    const dropEmpty = () => {
      if (!own.isEmpty) return;
      alike.splice(alike.indexOf(own), 1);
      const released = own.release().finally(() => this.leaving.delete(released));
      this.leaving.add(released);
    };
    try {
      await own.enter();
    } catch (error) {
      dropEmpty();
      throw error;
    }
    const leave = () => {
      own.leave();
      dropEmpty();
    };
    try {
      return { batch: own, draftCosts: await this.draftCostsOf(drafting, own), leave };
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Measured in the first batch of a head, before any of its sequences is there to be disturbed. */
  private async draftCostsOf(drafting: Drafting, batch: GpuBatch): Promise<readonly number[]> {
    if (drafting.head === undefined) return [];
    drafting.draftCosts ??= batch.measureDraft();
    return await drafting.draftCosts;
  }

  private async fork(
    from: GpuDecodingSequence,
    drafting: Drafting,
    kind: HeadKind | undefined,
    ladder: Ladder,
  ): Promise<GpuDecodingSequence | undefined> {
    if (this.forks >= this.mostForks) return undefined;
    this.forks++;
    let isCounted = true;
    const endFork = () => {
      if (isCounted) this.forks--;
      isCounted = false;
    };
    const fork = await this.openSequence(kind, ladder, endFork).catch((error: unknown) => {
      endFork();
      throw error;
    });
    try {
      await this.copyKeys(drafting.head, from, fork);
    } catch (error) {
      fork.release();
      throw error;
    }
    fork.adopt(from.tokens);
    return fork;
  }

  private copyKeys(head: GpuHead | undefined, from: GpuDecodingSequence, to: GpuDecodingSequence): Promise<void> {
    const { target } = this;
    const cache = {
      buffer: target.cache,
      planes: 2 * target.config.layers,
      slots: target.slots,
      width: target.cacheWords,
    };
    const { length } = from.tokens;
    return target.exclusively(async () => {
      const { device } = target.gpu;
      copySlots(device, cache, from.regions.region, to.regions.region, length);
      if (head !== undefined) copySlots(device, head.keys, from.regions.headRegion, to.regions.headRegion, length);
    });
  }

  /** A head that this device cannot take may fit on another. */
  private async loadHead(file: HeadFile, options: GpuHeadOptions): Promise<GpuHead> {
    try {
      return await GpuHead.load(this.target.surroundings, file, this.featureSmoothing, options);
    } catch (error) {
      throw new DeviceLostError(firstLine(error), { cause: error });
    }
  }

  private draftingWith(kind: HeadKind | undefined): Promise<Drafting> {
    const known = this.drafting.get(kind);
    if (known !== undefined) return known;
    const loading = this.load(kind);
    this.drafting.set(kind, loading);
    loading.catch(() => this.drafting.delete(kind));
    return loading;
  }

  private async load(kind: HeadKind | undefined): Promise<Drafting> {
    const { target } = this;
    const { capacity, sequences } = target.options;
    const widest = { sequences: 1, rows: 1, branching: mostBranching, levels: deepestTree, branches: 1 } as const;
    const regionSlots = capacity + headScratchSlots(widest);
    const options = { regionSlots, sequences, outputs: mostRows };
    const file = kind === undefined ? undefined : await this.openHead(kind);
    const head = file && (await this.loadHead(file, options));
    const freeRegions = Array.from({ length: sequences }, (_, i) => i * regionSlots).reverse();
    return { head, freeRegions, reader: new PromptReader(target, head), batches: new Map() };
  }
}
