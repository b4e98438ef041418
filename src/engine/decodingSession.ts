import { Alternatives } from "./decoding/alternatives.ts";
import { CostModel } from "./decoding/costModel.ts";
import {
  type DecodeRequest,
  type DecodeResult,
  decode,
  type PrefillRequest,
  prefill,
  Writing,
} from "./decoding/decoder.ts";
import { type DeviceSequence, decodeOnDevice, prefillOnDevice } from "./decoding/deviceDecoder.ts";
import { DeviceStrategy } from "./decoding/deviceStrategy.ts";
import { ladderOf } from "./decoding/ladder.ts";
import type { Method } from "./decoding/method.ts";
import { Strategy, type TreeSizes } from "./decoding/strategy.ts";
import { DeviceLostError, type TargetSequence } from "./decoding/target.ts";
import { measuredCosts } from "./measure.ts";
import type { HeadKind } from "./model/headKinds.ts";
import type { PlacedModel, Placement, Resident } from "./placement.ts";

/** How a session decodes. */
export interface SessionOptions {
  readonly method: Method;
  readonly sizes: TreeSizes;
  /** The head it drafts with; undefined for none. */
  readonly head: HeadKind | undefined;
  /** Told how long each forward of a prompt took. */
  readonly onPrefillForward?: PrefillRequest["onPrefillForward"];
}

const plain = { method: "plain", head: undefined } as const;

/** A session's part of a device: forwards that the host drives, or rounds that run there by themselves. */
interface Desk {
  readonly model: PlacedModel;
  readonly tokens: readonly number[];
  decode(request: DecodeRequest, writing: Writing): Promise<DecodeResult>;
  decodeAlternatives(alternatives: Alternatives): Promise<void>;
  prefill(request: PrefillRequest): Promise<void>;
  reset(): void;
  /** Gives the device's room back. */
  clear(): void;
}

/**
 * One text being decoded, again and again with changes: what its KV cache already holds is not computed anew. It follows the
 * model from device to device; a text that is cut short by the loss of one is gone on with on the next.
 */
export class DecodingSession implements Resident {
  private desk: Desk | undefined;
  private working = false;

  private constructor(
    private readonly placement: Placement,
    private readonly options: SessionOptions,
  ) {}

  /** Throws JakiroError("model") where the method's head is missing, or the device has no room for another sequence. */
  static async open(placement: Placement, options: SessionOptions): Promise<DecodingSession> {
    const session = new DecodingSession(placement, options);
    session.desk = await session.settle();
    placement.register(session);
    return session;
  }

  get capacity(): number {
    return this.placement.capacity;
  }

  /** What the KV cache holds. */
  get tokens(): readonly number[] {
    return this.desk?.tokens ?? [];
  }

  decode(request: DecodeRequest): Promise<DecodeResult> {
    const writing = new Writing();
    return this.atDesk((desk) => desk.decode(this.watched(request), writing));
  }

  /**
   * Texts that begin with the most probable first tokens, in that order: side by side where the device can, else one after another.
   * @param requests of the same prompt, one for each text
   */
  async decodeAlternatives(requests: readonly DecodeRequest[]): Promise<readonly DecodeResult[]> {
    const alternatives = new Alternatives(requests.map((request) => this.watched(request)));
    await this.atDesk((desk) => desk.decodeAlternatives(alternatives));
    return alternatives.results;
  }

  /** Reads a prompt into the KV cache; ended by its signal, it keeps what was read until then. */
  prefill(request: PrefillRequest): Promise<void> {
    return this.atDesk((desk) => desk.prefill(this.watched(request)));
  }

  /** Forgets KV cache, draft history, acceptance statistics and observed costs, as if newly made. */
  reset(): void {
    this.desk?.reset();
  }

  /** Gives its room on the device back; it must not be used any more. */
  release(): void {
    this.placement.forget(this);
    this.moveOut();
  }

  moveOut(): void {
    if (!this.working) this.leaveDesk();
  }

  private watched<Request extends PrefillRequest>(request: Request): Request {
    const { onPrefillForward } = this.options;
    return onPrefillForward === undefined ? request : { onPrefillForward, ...request };
  }

  private async atDesk<Result>(work: (desk: Desk) => Promise<Result>): Promise<Result> {
    this.working = true;
    this.placement.retryWhenDue();
    try {
      for (;;) {
        this.desk ??= await this.settle();
        const { model } = this.desk;
        try {
          return await work(this.desk);
        } catch (error) {
          if (!(error instanceof DeviceLostError)) throw error;
          this.leaveDesk();
          await this.placement.flee(model, error);
        }
      }
    } finally {
      this.working = false;
      if (this.desk?.model !== this.placement.current) this.leaveDesk();
    }
  }

  /** A desk where the model is; a device that fails meanwhile is left like one that fails at work. */
  private async settle(): Promise<Desk> {
    for (;;) {
      const model = this.placement.enter();
      try {
        return await this.deskAt(model);
      } catch (error) {
        this.placement.leave(model);
        if (!(error instanceof DeviceLostError)) throw error;
        await this.placement.flee(model, error);
      }
    }
  }

  private async deskAt(model: PlacedModel): Promise<Desk> {
    const { sizes } = this.options;
    // Whoever names a method wants its drafts; what decides by itself makes none that may change the text.
    const plainly = this.options.method === "auto" && model.inexactness !== undefined;
    const { method, head: kind } = plainly ? plain : this.options;
    if (model.decoding !== undefined) {
      const ladder = ladderOf(method, kind, sizes);
      return deviceDesk(model, await model.decoding.open(kind, ladder), ladder.chain);
    }
    const loaded = kind === undefined ? undefined : await model.heads.get(kind);
    const head = loaded?.sequence();
    const sequence = model.target.sequence(this.placement.capacity);
    return hostDesk(model, sequence, () => {
      const cost = new CostModel(measuredCosts(model.verifyCosts, loaded?.costs ?? []));
      return new Strategy({ method, cost, sizes, head });
    });
  }

  private leaveDesk(): void {
    const { desk } = this;
    if (desk === undefined) return;
    this.desk = undefined;
    desk.clear();
    this.placement.leave(desk.model);
  }
}

function hostDesk(model: PlacedModel, sequence: TargetSequence, makeStrategy: () => Strategy): Desk {
  let strategy = makeStrategy();
  return {
    model,
    get tokens() {
      return sequence.tokens;
    },
    decode: (request, writing) => decode(sequence, strategy, request, writing),
    decodeAlternatives: (alternatives) =>
      alternatives.inTurn((request, writing) => decode(sequence, strategy, request, writing)),
    prefill: (request) => prefill(sequence, strategy, request),
    reset() {
      sequence.trim(0);
      strategy.reset();
      strategy = makeStrategy();
    },
    clear: () => sequence.release(),
  };
}

/** @param chain most tokens of known text that one round verifies */
function deviceDesk(model: PlacedModel, sequence: DeviceSequence, chain: number): Desk {
  const { rungs, draftCosts } = sequence;
  const makeStrategy = () => {
    return new DeviceStrategy({ rungs, chain }, new CostModel(measuredCosts(model.verifyCosts, draftCosts)));
  };
  let strategy = makeStrategy();
  return {
    model,
    get tokens() {
      return sequence.tokens;
    },
    decode: (request, writing) => decodeOnDevice(sequence, request, writing, strategy),
    decodeAlternatives: (alternatives) =>
      alternatives.together(sequence, (own) => (own === sequence ? strategy : makeStrategy())),
    prefill: (request) => prefillOnDevice(sequence, request),
    reset() {
      sequence.reset();
      strategy = makeStrategy();
    },
    clear: () => sequence.release(),
  };
}
