import { Calibration } from "../decoding/calibration.ts";
import type { DecodeRequest } from "../decoding/decoder.ts";
import type { DeviceRound, DeviceSequence, DeviceText } from "../decoding/deviceDecoder.ts";
import type { DeviceProposal } from "../decoding/deviceStrategy.ts";
import type { Rung } from "../decoding/ladder.ts";
import type { RoundsScheduler } from "../decoding/roundsScheduler.ts";
import type { RoundTimes } from "../decoding/roundTimes.ts";
import type { GpuSequence } from "./gpuSequence.ts";
import type { PromptReader, Regions } from "./promptReader.ts";
import type { RoundOutcome, RoundShape, SequenceStart } from "./roundLayout.ts";

/** What one round did to one of its sequences. */
export interface SeatedOutcome extends RoundOutcome {
  readonly rung: Rung;
  readonly times: RoundTimes | undefined;
}

/** What a sequence has on the device, and how it gets more. */
export interface SequenceParts {
  readonly scheduler: RoundsScheduler<GpuDecodingSequence, SeatedOutcome, DeviceProposal>;
  readonly rungs: readonly Rung[];
  readonly draftCosts: readonly number[];
  readonly reader: PromptReader;
  /** The target's KV region as the host sees it: it keeps count of the committed tokens. */
  readonly host: GpuSequence;
  readonly headRegion: number;
  /** Of the last token that the reader has read, as the head reads it. */
  readonly feature: GPUBuffer;
  readonly fork: (from: GpuDecodingSequence) => Promise<GpuDecodingSequence | undefined>;
  readonly giveBack: () => void;
}

/** One sequence that decodes by rounds on the GPU. */
export class GpuDecodingSequence implements DeviceSequence {
  private readonly calibration = new Calibration();
  private text: { readonly request: DecodeRequest; root: number; tokensLeft: number } | undefined;
  /** Committed tokens up to which the head has keys: those of a round's tokens are made by the first forward of the next. */
  private headKeys = 0;

  constructor(private readonly parts: SequenceParts) {}

  get capacity(): number {
    return this.parts.host.capacity;
  }

  get tokens(): readonly number[] {
    return this.parts.host.tokens;
  }

  get rungs(): readonly Rung[] {
    return this.parts.rungs;
  }

  get draftCosts(): readonly number[] {
    return this.parts.draftCosts;
  }

  get regions(): Regions {
    const { host, headRegion } = this.parts;
    return { region: host.region, headRegion };
  }

  /** For `GpuRounds.start` and `GpuRounds.calibrate`. */
  get offsets(): Float32Array {
    return this.calibration.headOffsets();
  }

  /** Whether somebody looks at the rounds of the text that is being written. */
  get isWatched(): boolean {
    return this.text?.request.watched?.() ?? false;
  }

  get feature(): GPUBuffer {
    return this.parts.feature;
  }

  trim(length: number): void {
    this.parts.host.trim(length);
    this.headKeys = Math.min(this.headKeys, length);
  }

  /** The head's key of a token says which token follows; those of a text's last round were never made. */
  reusable(kept: number): number {
    return this.parts.reader.head === undefined ? kept : Math.max(0, Math.min(kept - 1, this.headKeys));
  }

  async extend(tokens: readonly number[], next: number): Promise<void> {
    const { reader, feature, host } = this.parts;
    await reader.read(this.regions, this.tokens.length, [...tokens, next], feature);
    host.adopt(tokens);
    this.headKeys = this.tokens.length;
  }

  decode({ root, request, tokenLimit, source, take }: DeviceText): Promise<void> {
    this.text = { request, root, tokensLeft: tokenLimit };
    const { signal, turn } = request;
    const settle = (outcome: SeatedOutcome) => take(this.settle(outcome));
    return this.parts.scheduler.decode({ text: this, source, signal, turn, take: settle });
  }

  /** The token behind the committed ones of the text that is being written. */
  get root(): number {
    return this.text!.root;
  }

  /** Where its text stands, as rounds that it has not taken part in yet must be told. */
  async standing(shape: RoundShape): Promise<SequenceStart> {
    const { reader, feature } = this.parts;
    const { request, root, tokensLeft: tokenLimit } = this.text!;
    const { sampling, endTokens } = request;
    if (reader.head !== undefined && this.headKeys < this.tokens.length) {
      await reader.read(this.regions, this.headKeys, [...this.tokens.slice(this.headKeys), root], feature);
      this.headKeys = this.tokens.length;
    }
    const { capacity, regions } = this;
    const { length } = this.tokens;
    return { ...regions, capacity, nodes: shape.rows, tokenLimit, sampling, endTokens, length, root };
  }

  async firstLogits(root: number): Promise<Float32Array> {
    return (await this.parts.host.forward({ tokens: [root], parents: [-1] }, "logits")).logits!;
  }

  fork(): Promise<GpuDecodingSequence | undefined> {
    return this.parts.fork(this);
  }

  /** Counts tokens as committed whose keys were copied from elsewhere. */
  adopt(tokens: readonly number[]): void {
    this.parts.host.adopt(tokens);
    this.headKeys = this.tokens.length;
  }

  reset(): void {
    this.trim(0);
    this.calibration.reset();
  }

  release(): void {
    this.parts.giveBack();
  }

  private settle(outcome: SeatedOutcome): DeviceRound {
    const { rows, accepted, claims, finishReason, rung, times } = outcome;
    const text = this.text!;
    this.headKeys = this.tokens.length;
    this.parts.host.adopt([text.root, ...accepted.tokens.slice(0, -1)]);
    text.root = accepted.tokens.at(-1)!;
    text.tokensLeft -= accepted.tokens.length;
    if (rung.levels > 0) this.calibration.settleClaims(rows, accepted, claims);
    return {
      rows,
      accepted,
      draftForwards: rung.draftForwards,
      ...(times === undefined ? {} : { times }),
      ...(finishReason === undefined ? {} : { finishReason }),
    };
  }
}
