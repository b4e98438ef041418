import { CostModel } from "./decoding/costModel.ts";
import {
  type DecodeRequest,
  type DecodeResult,
  decode,
  type PrefillRequest,
  prefill,
  Writing,
} from "./decoding/decoder.ts";
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
}

/** A session's part of a device. */
interface Desk {
  readonly model: PlacedModel;
  readonly sequence: TargetSequence;
  readonly makeStrategy: () => Strategy;
  strategy: Strategy;
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
    return this.desk?.sequence.tokens ?? [];
  }

  decode(request: DecodeRequest): Promise<DecodeResult> {
    const writing = new Writing();
    return this.atDesk(({ sequence, strategy }) => decode(sequence, strategy, request, writing));
  }

  /** Reads a prompt into the KV cache; ended by its signal, it keeps what was read until then. */
  prefill(request: PrefillRequest): Promise<void> {
    return this.atDesk(({ sequence, strategy }) => prefill(sequence, strategy, request));
  }

  /** Forgets KV cache, draft history, acceptance statistics and observed costs, as if newly made. */
  reset(): void {
    const { desk } = this;
    if (desk === undefined) return;
    desk.sequence.trim(0);
    desk.strategy.reset();
    desk.strategy = desk.makeStrategy();
  }

  /** Gives its room on the device back; it must not be used any more. */
  release(): void {
    this.placement.forget(this);
    this.moveOut();
  }

  moveOut(): void {
    if (!this.working) this.leaveDesk();
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

  private async settle(): Promise<Desk> {
    const { method, sizes, head: kind } = this.options;
    const model = this.placement.enter();
    try {
      const loaded = kind === undefined ? undefined : await model.heads.get(kind);
      const head = loaded?.sequence();
      const sequence = model.target.sequence(this.placement.capacity);
      const makeStrategy = () => {
        const cost = new CostModel(measuredCosts(model.verifyCosts, loaded?.costs ?? []));
        return new Strategy({ method, cost, sizes, head });
      };
      return { model, sequence, makeStrategy, strategy: makeStrategy() };
    } catch (error) {
      this.placement.leave(model);
      throw error;
    }
  }

  private leaveDesk(): void {
    const { desk } = this;
    if (desk === undefined) return;
    this.desk = undefined;
    desk.sequence.release();
    this.placement.leave(desk.model);
  }
}
