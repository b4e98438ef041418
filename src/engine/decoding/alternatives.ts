import { type DecodeRequest, type DecodeResult, Writing } from "./decoder.ts";
import { type DeviceSequence, prepareOnDevice } from "./deviceDecoder.ts";
import type { RoundSource } from "./deviceStrategy.ts";

type Decode = (request: DecodeRequest, writing: Writing) => Promise<DecodeResult>;

interface Alternative {
  readonly request: DecodeRequest;
  readonly writing: Writing;
  result?: DecodeResult;
}

/**
 * Texts that continue the same prompt: the first as its request says, the others from the next most probable first tokens on. What was
 * written of them outlasts the loss of a device.
 */
export class Alternatives {
  private readonly all: readonly Alternative[];

  /** @param requests one for each text, the likeliest first, that differ in whom they tell of their tokens */
  constructor(requests: readonly DecodeRequest[]) {
    this.all = requests.map((request) => ({ request, writing: new Writing() }));
  }

  /** Fewer than there are requests where the model has fewer tokens to begin with, or where a signal ended them. */
  get results(): DecodeResult[] {
    return this.all.flatMap(({ result }) => result ?? []);
  }

  /** Writes one after another. A signal ends the list after the text that it cut short. */
  async inTurn(decode: Decode): Promise<void> {
    for (let next = this.next(); next !== undefined; next = this.next()) {
      next.result = await decode(this.requestOf(next), next.writing);
      if (next.result.finishReason === "cancelled") return;
    }
  }

  /**
   * Writes side by side as many as the device has room for at a time.
   * @param strategyOf what proposes the rounds of a text on `sequence`, or on a copy of it
   */
  async together(
    sequence: DeviceSequence,
    strategyOf: (sequence: DeviceSequence) => RoundSource | undefined,
  ): Promise<void> {
    while (this.next() !== undefined) {
      const { forks, writes } = await this.prepare(sequence, strategyOf);
      try {
        const ends = await Promise.allSettled(writes.map((write) => write()));
        for (const end of ends) if (end.status === "rejected") throw end.reason;
      } finally {
        for (const fork of forks) fork.release();
      }
      if (this.results.some(({ finishReason }) => finishReason === "cancelled")) return;
    }
  }

  /** Reads the prompts of texts that may go side by side: once on `sequence`, and for the others in copies of it. */
  private async prepare(sequence: DeviceSequence, strategyOf: (sequence: DeviceSequence) => RoundSource | undefined) {
    const forks: DeviceSequence[] = [];
    const writes: (() => Promise<void>)[] = [];
    const add = async (alternative: Alternative, own: DeviceSequence) => {
      const write = await prepareOnDevice(own, this.requestOf(alternative), alternative.writing, strategyOf(own));
      writes.push(async () => {
        alternative.result = await write();
      });
    };
    try {
      const first = this.next()!;
      await add(first, sequence);
      for (const other of this.all) {
        if (other === first || !this.isOpen(other)) continue;
        const fork = await sequence.fork();
        if (fork === undefined) break;
        forks.push(fork);
        await add(other, fork);
      }
    } catch (error) {
      for (const fork of forks) fork.release();
      throw error;
    }
    return { forks, writes };
  }

  private next(): Alternative | undefined {
    return this.all.find((alternative) => this.isOpen(alternative));
  }

  /** What to begin with is known once the first text has its prompt read. */
  private isOpen(alternative: Alternative): boolean {
    const [first] = this.all;
    return alternative.result === undefined && (alternative === first || this.firstTokenOf(alternative) !== undefined);
  }

  private firstTokenOf(alternative: Alternative): number | undefined {
    return this.all[0]!.writing.candidates?.[this.all.indexOf(alternative)];
  }

  private requestOf(alternative: Alternative): DecodeRequest {
    const { request } = alternative;
    if (alternative !== this.all[0]) return { ...request, firstToken: this.firstTokenOf(alternative)! };
    // Candidates need a row of logits, which costs more than the best token alone.
    return this.all.length > 1 ? { ...request, candidates: this.all.length } : request;
  }
}
