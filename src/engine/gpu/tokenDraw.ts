import chooseSource from "../../../kernels/chooseTokens.wgsl";
import logitMaximaSource from "../../../kernels/logitMaxima.wgsl";
import orderSource from "../../../kernels/order.wgsl";
import rowsSource from "../../../kernels/rows.wgsl";
import sequenceSource from "../../../kernels/sequence.wgsl";
import wideSource from "../../../kernels/wide.wgsl";
import type { SamplingOptions } from "../decoding/sampling.ts";
import { logitRows } from "./forwardBuffers.ts";
import { bind, type Dispatch, type KernelCompiler } from "./kernels.ts";
import { logitTiles, powerTable } from "./roundKernels.ts";
import { encodeSequence, rowWords, sequenceWords } from "./roundLayout.ts";
import { storage } from "./storage.ts";

type BoundDraw = Readonly<Record<"maxima" | "choose", Omit<Dispatch, "workgroups">>>;

/** Draws tokens from logits as rounds do, for forwards that the host drives: a text must not depend on who drives them. */
export class TokenDraw {
  private readonly options: GPUBuffer;
  private readonly rows: GPUBuffer;
  private readonly maxima: GPUBuffer;
  private readonly powers: GPUBuffer;

  private bound: Promise<BoundDraw> | undefined;

  /** @param buffers [logitRows, vocabulary] float32; `chosen` [logitRows] u32 takes the tokens */
  constructor(
    private readonly compiler: KernelCompiler,
    readonly vocabulary: number,
    private readonly buffers: Readonly<Record<"logits" | "chosen", GPUBuffer>>,
  ) {
    const { device } = compiler;
    const create = (label: string, words: number) => storage(device, label, words);
    this.options = create("draw options", sequenceWords);
    this.rows = create("draw rows", logitRows * rowWords);
    this.maxima = create("draw maxima", logitRows * logitTiles({ vocabulary }) * 2);
    const powers = powerTable();
    this.powers = create("draw powers", powers.length);
    device.queue.writeBuffer(this.powers, 0, powers.buffer as ArrayBuffer);
  }

  /** The dispatches that draw a token from each of `count` rows of logits. */
  async plan(count: number): Promise<Dispatch[]> {
    this.bound ??= this.bind();
    const { maxima, choose } = await this.bound;
    return [
      { ...maxima, workgroups: [logitTiles(this), count] },
      { ...choose, workgroups: [count] },
    ];
  }

  private async bind(): Promise<BoundDraw> {
    const { compiler, buffers, vocabulary: VOCABULARY } = this;
    const bound = async (name: string, sources: readonly string[], parts: readonly GPUBuffer[]) => {
      const kernel = await compiler.compile(name, sources.join("\n"), { VOCABULARY });
      return { kernel, bindings: bind(compiler.device, kernel, parts) };
    };
    const { logits, chosen } = buffers;
    const [maxima, choose] = await Promise.all([
      bound("logitMaxima", [rowsSource, orderSource, logitMaximaSource], [logits, this.rows, this.maxima]),
      bound(
        "chooseTokens",
        [rowsSource, sequenceSource, orderSource, wideSource, chooseSource],
        [logits, this.maxima, this.rows, this.options, this.powers, chosen],
      ),
    ]);
    return { maxima, choose };
  }

  /** Writes by what the next submission draws; `rows` are the Row entries whose logits they are. */
  write(sampling: SamplingOptions, rows: Uint32Array): void {
    const { queue } = this.compiler.device;
    const idle = { region: 0, headRegion: 0, capacity: 0, nodes: 1, tokenLimit: 1, length: 0, root: 0 };
    const words = encodeSequence({ ...idle, sampling, endTokens: new Set() });
    queue.writeBuffer(this.options, 0, words.buffer as ArrayBuffer);
    queue.writeBuffer(this.rows, 0, rows.buffer as ArrayBuffer, rows.byteOffset, rows.byteLength);
  }

  release(): void {
    for (const buffer of [this.options, this.rows, this.maxima, this.powers]) buffer.destroy();
  }
}
