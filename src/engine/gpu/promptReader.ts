import { attendedRows } from "./forwardBuffers.ts";
import { featureWords, type GpuHead } from "./gpuHead.ts";
import type { GpuTarget } from "./gpuTarget.ts";
import { encodeRow, noSlot, rowWords } from "./roundLayout.ts";
import { storage } from "./storage.ts";

/** First KV slots of a sequence. */
export interface Regions {
  readonly region: number;
  /** Of the draft head; nothing without one. */
  readonly headRegion: number;
}

/** Reads prompts into the caches of a target and its head. Its buffers are its own, so that it may work between two rounds. */
export class PromptReader {
  private readonly rows: GPUBuffer;
  private readonly paths: GPUBuffer;
  private readonly features: GPUBuffer;

  constructor(
    private readonly target: GpuTarget,
    readonly head: GpuHead | undefined,
  ) {
    const { device } = target.gpu;
    this.rows = storage(device, "prompt rows", attendedRows * rowWords);
    this.paths = storage(device, "prompt paths", 1);
    const feature = featureWords(target.config.hidden, target.kernels.quantize);
    this.features = storage(device, "prompt features", attendedRows * feature);
  }

  /**
   * Reads up to `attendedRows` tokens; returns once the device has.
   * @param tokens behind the `first` ones that the sequence holds, with the token that follows the last of them at the end
   * @param feature where the last token's goes, for the head's first forward of a round
   */
  read(regions: Regions, first: number, tokens: readonly number[], feature: GPUBuffer): Promise<void> {
    return this.target.exclusively(() => this.submit(regions, first, tokens, feature));
  }

  release(): void {
    for (const buffer of [this.rows, this.paths, this.features]) buffer.destroy();
  }

  private async submit(
    { region, headRegion }: Regions,
    first: number,
    tokens: readonly number[],
    feature: GPUBuffer,
  ): Promise<void> {
    const { target, head, rows, paths, features } = this;
    const { device } = target.gpu;
    const count = tokens.length - 1;
    const forward = { rows, paths, count, features, longest: first + count };
    const ownDispatches = await target.plan({
      ...forward,
      featureFormat: "head",
      outputs: 0,
      picked: false,
      mode: "none",
    });
    const headDispatches = head === undefined ? [] : await head.planKeys(forward);
    // Target and head differ in tokens and slots alone, so that one buffer serves both, one after the other.
    device.queue.writeBuffer(rows, 0, promptRows(tokens.slice(0, -1), first, region));
    target.submit(ownDispatches);
    if (head !== undefined) {
      device.queue.writeBuffer(rows, 0, promptRows(tokens.slice(1), first, headRegion));
      target.submit(headDispatches);
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(features, (count - 1) * feature.size, feature, 0, feature.size);
      device.queue.submit([encoder.finish()]);
    }
    await device.queue.onSubmittedWorkDone();
  }
}

/** Rows of a run of tokens, padded with rows that store nothing. */
function promptRows(tokens: readonly number[], first: number, region: number): Uint32Array<ArrayBuffer> {
  const table = new Uint32Array(attendedRows * rowWords);
  for (let i = 0; i < attendedRows; i++) {
    const position = first + i;
    const used = i < tokens.length;
    const row = used
      ? { token: tokens[i]!, position, contiguous: position + 1, slot: region + position }
      : { token: 0, position: 0, contiguous: 0, slot: noSlot };
    // The head carries on the features of the same forward of the target.
    table.set(encodeRow({ ...row, region, path: 0, sequence: 0, parent: i }), i * rowWords);
  }
  return table;
}
