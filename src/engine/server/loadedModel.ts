import { basename } from "node:path";
import type { EngineConfiguration, ModelDescription } from "../../protocol/messages.ts";
import { prefillRows } from "../decoding/decoder.ts";
import type { Method } from "../decoding/method.ts";
import type { DecodingSession } from "../decodingSession.ts";
import { Engine } from "../engine.ts";
import { catalogue } from "../model/catalogue.ts";
import { chatTemplateOf } from "../model/chatTemplate.ts";
import type { ProgressListener } from "../progress.ts";
import { SessionPool } from "./sessionPool.ts";

/** What of a configuration decides which weights are loaded. */
export type ModelChoice = Pick<EngineConfiguration, "head" | "device" | "gpuAdapter"> & { readonly modelPath: string };

export interface LoadOptions {
  readonly signal: AbortSignal;
  readonly progress: ProgressListener;
  readonly log: (line: string) => void;
  /** What `describe` says has changed. */
  readonly onChange: () => void;
}

const method: Method = "auto";
/** Each has a KV cache of its own. */
const sessions = 3;
/** A list of three alternatives is written side by side: its session writes one of them. */
const forks = 2;

/** An engine with the sessions that decode from it, released when the last request is done with it. */
export class LoadedModel {
  private users = 0;
  private retired = false;

  private constructor(
    readonly engine: Engine,
    readonly pool: SessionPool<DecodingSession>,
    readonly name: string,
    private readonly log: (line: string) => void,
  ) {}

  static async load({ modelPath, head, device, gpuAdapter }: ModelChoice, options: LoadOptions): Promise<LoadedModel> {
    const { signal, progress, log, onChange } = options;
    const engine = await Engine.load({
      path: modelPath,
      device,
      sessions,
      forks,
      signal,
      progress,
      onNote: log,
      onMove: onChange,
      ...(gpuAdapter === undefined ? {} : { adapter: gpuAdapter }),
      ...(head === undefined ? {} : { head }),
    });
    try {
      const make = () => engine.session(method);
      // The head is loaded and measured with the first session, not with the first request.
      const pool = new SessionPool(make, [await make()], sessions);
      signal.throwIfAborted();
      return new LoadedModel(engine, pool, nameOf(modelPath), log);
    } catch (error) {
      await engine.release();
      throw error;
    }
  }

  get method(): Method {
    return method;
  }

  /** Rows of a prefill forward: whoever waits for the next turn waits no longer than a keystroke does for its suffix. */
  get prefillRows(): number {
    return Math.min(prefillRows, this.engine.suffixTokens);
  }

  describe(): ModelDescription {
    const { engine } = this;
    const { device, adapter, deviceReason } = engine;
    return {
      name: this.name,
      weights: engine.contentHash,
      device,
      ...(adapter === undefined ? {} : { adapter }),
      ...(deviceReason === undefined ? {} : { deviceReason }),
      heads: engine.headKinds,
      infilling: engine.template !== undefined,
      chat: chatTemplateOf(engine.tokenizer) !== undefined,
      loadMs: engine.loadMs,
      residentBytes: process.memoryUsage.rss(),
      plainTokensPerSecond: 1000 / engine.verifyCosts[0]!.ms,
      forwardMs: engine.verifyCosts,
    };
  }

  use(): void {
    this.users++;
  }

  get inUse(): boolean {
    return this.users > 0;
  }

  endUse(): void {
    this.users--;
    this.releaseIfDone();
  }

  /** Releases the weights once no request uses them. */
  retire(): void {
    this.retired = true;
    this.releaseIfDone();
  }

  private releaseIfDone(): void {
    if (!this.retired || this.users > 0) return;
    this.engine.release().catch((error: unknown) => this.log(`Releasing ${this.name} failed: ${String(error)}`));
  }
}

/** Catalogue name or file name of what lies at the path. */
export function nameOf(modelPath: string): string {
  const file = basename(modelPath);
  return catalogue.find((model) => model.file === file)?.name ?? file;
}
