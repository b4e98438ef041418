import { ResponseError } from "vscode-jsonrpc/node";
import {
  type EngineConfiguration,
  type EngineState,
  errorCodes,
  type ModelDescription,
} from "../../protocol/messages.ts";
import { JakiroError } from "../errors.ts";
import { type ProgressListener, preparingStage } from "../progress.ts";
import { asResponse } from "./failures.ts";
import { type LoadOptions, type ModelChoice, nameOf } from "./loadedModel.ts";

/** A loaded model as the host sees it. */
export interface HostedModel {
  readonly name: string;
  readonly inUse: boolean;
  describe(): ModelDescription;
  use(): void;
  endUse(): void;
  retire(): void;
}

export interface HostParts<Model> {
  readonly load: (choice: ModelChoice, options: LoadOptions) => Promise<Model>;
  readonly isBusy: () => boolean;
  readonly onState: (state: EngineState) => void;
  readonly log: (line: string) => void;
  /** Milliseconds of a minute; tests have short ones. */
  readonly minuteMs: number;
}

interface Loading<Model> {
  readonly choice: ModelChoice;
  readonly abort: AbortController;
  readonly model: Promise<Model>;
  /** 0 .. 1, of the preparation that a model needs once, while it goes on. */
  progress: number | undefined;
  /** The model is being packed, which is done once. */
  isPreparing: boolean;
}

/**
 * Owns the one model that serves all windows: loads what was configured while the previous one goes on serving, keeps that one
 * where loading fails, and releases the weights where nobody asks for anything.
 */
export class ModelHost<Model extends HostedModel> {
  private configuration: EngineConfiguration = { device: "auto", idleMinutes: 0 };
  private current: { readonly key: string; readonly model: Model } | undefined;
  private loading: Loading<Model> | undefined;
  /** Why the model that is configured could not be loaded. */
  private failure: ReturnType<typeof asResponse> | undefined;
  private idle: NodeJS.Timeout | undefined;
  /** The load that was given up last: the next one begins when its memory is free. */
  private givenUp: Promise<unknown> = Promise.resolve();

  constructor(private readonly parts: HostParts<Model>) {}

  get state(): EngineState {
    const { loading, failure, current, choice } = this;
    if (loading !== undefined) {
      const name = nameOf(loading.choice.modelPath);
      const { progress } = loading;
      const stage = loading.isPreparing ? "preparing" : "loading";
      return { kind: "loading", name, stage, ...(progress === undefined ? {} : { progress }) };
    }
    if (choice === undefined) return { kind: "noModel" };
    if (failure !== undefined) {
      const serving = current === undefined ? {} : { serving: current.model.describe().name };
      const { message, data } = failure;
      return { kind: "failed", name: nameOf(choice.modelPath), message, ...data, ...serving };
    }
    if (current === undefined) return { kind: "released", name: nameOf(choice.modelPath) };
    return { kind: "ready", model: current.model.describe(), busy: this.parts.isBusy() };
  }

  /** What the model is to run on. */
  get deviceWish(): { readonly device: EngineConfiguration["device"]; readonly adapter: string | undefined } {
    const { device, gpuAdapter } = this.configuration;
    return { device, adapter: gpuAdapter };
  }

  /** The model that answers requests now. */
  get loaded(): Model | undefined {
    return this.current?.model;
  }

  /** Acts on what differs from the last configuration; loading goes on after the return. What failed before is tried again. */
  configure(told: EngineConfiguration): void {
    const before = keyOf(this.choice);
    const { modelPath, head } = this.configuration;
    const keepsHead = told.restricted === true && told.modelPath === modelPath && head !== undefined;
    this.configuration = keepsHead ? { ...told, head } : told;
    this.watchIdleness();
    const { choice } = this;
    const key = keyOf(choice);
    if (key === before && this.failure === undefined) return;
    this.stopLoading();
    this.failure = undefined;
    if (choice !== undefined && key !== this.current?.key) {
      this.startLoading(choice);
      return;
    }
    if (choice === undefined) this.drop();
    this.publish();
  }

  /** Lets the work use the model, loaded first where its weights were released. Rejects with a ResponseError or the signal's reason. */
  async use<Result>(signal: AbortSignal, work: (model: Model) => Promise<Result>): Promise<Result> {
    const model = await this.ready(signal);
    model.use();
    clearTimeout(this.idle);
    try {
      return await work(model);
    } catch (error) {
      if (error instanceof JakiroError && error.kind === "model") this.forget(model, error);
      throw error;
    } finally {
      model.endUse();
      this.watchIdleness();
    }
  }

  /** Releases the weights, or gives up loading them; requests that use them end first. */
  release(): void {
    if (this.loading === undefined && this.current === undefined) return;
    this.stopLoading();
    this.failure = undefined;
    this.drop();
    this.publish();
  }

  /** Tells of the state again: requests came or went, or the model has moved. */
  publishReady(): void {
    if (this.state.kind === "ready") this.publish();
  }

  dispose(): void {
    clearTimeout(this.idle);
    this.stopLoading();
    this.drop();
  }

  private get choice(): ModelChoice | undefined {
    const { modelPath, head, device, gpuAdapter } = this.configuration;
    if (modelPath === undefined) return undefined;
    return {
      modelPath,
      device,
      ...(head === undefined ? {} : { head }),
      ...(gpuAdapter === undefined ? {} : { gpuAdapter }),
    };
  }

  private async ready(signal: AbortSignal): Promise<Model> {
    for (;;) {
      signal.throwIfAborted();
      if (this.current !== undefined) return this.current.model;
      if (this.failure !== undefined) throw this.failure;
      const { choice } = this;
      if (choice === undefined)
        throw new ResponseError(errorCodes.noModel, "No model is chosen yet; choose one first.");
      if (this.loading === undefined) this.startLoading(choice);
      await settledOrAborted(this.loading!.model, signal);
    }
  }

  private startLoading(choice: ModelChoice): void {
    const abort = new AbortController();
    const { signal } = abort;
    const progress: ProgressListener = ({ stage, done, total }) => {
      if (this.loading !== loading) return;
      loading.progress = done < total ? done / total : undefined;
      loading.isPreparing = stage === preparingStage && done < total;
      this.publish();
    };
    const model = this.givenUp.then(() => {
      signal.throwIfAborted();
      return this.parts.load(choice, { signal, progress, log: this.parts.log, onChange: () => this.publishReady() });
    });
    const loading: Loading<Model> = { choice, abort, model, progress: undefined, isPreparing: false };
    this.loading = loading;
    this.publish();
    model.then(
      (model) => this.adopt(loading, model),
      (error: unknown) => this.fail(loading, error),
    );
  }

  private adopt(loading: Loading<Model>, model: Model): void {
    if (this.loading !== loading) {
      model.retire();
      return;
    }
    this.loading = undefined;
    this.drop();
    this.current = { key: keyOf(loading.choice), model };
    this.parts.log(`Serving ${model.name}.`);
    this.publish();
    this.watchIdleness();
  }

  private fail(loading: Loading<Model>, error: unknown): void {
    if (this.loading !== loading) return;
    this.loading = undefined;
    this.failure = asResponse(error, this.parts.log);
    this.parts.log(`Loading ${nameOf(loading.choice.modelPath)} failed: ${this.failure.message}`);
    this.publish();
  }

  private stopLoading(): void {
    if (this.loading === undefined) return;
    this.loading.abort.abort(new Error("another model was chosen"));
    this.givenUp = this.loading.model.catch(() => undefined);
    this.loading = undefined;
  }

  private drop(): void {
    this.current?.model.retire();
    this.current = undefined;
  }

  /** Its file is not what was loaded any more: the next request loads what is there now. */
  private forget(model: Model, { message }: JakiroError): void {
    if (this.current?.model !== model) return;
    this.parts.log(message);
    this.drop();
    this.publish();
  }

  private watchIdleness(): void {
    clearTimeout(this.idle);
    const { idleMinutes } = this.configuration;
    if (idleMinutes === 0 || this.current === undefined || this.current.model.inUse) return;
    this.idle = setTimeout(() => {
      this.parts.log("Nothing was asked for a while: the weights are released.");
      this.release();
    }, idleMinutes * this.parts.minuteMs);
  }

  private publish(): void {
    this.parts.onState(this.state);
  }
}

function keyOf(choice: ModelChoice | undefined): string {
  return choice === undefined ? "" : JSON.stringify([choice.modelPath, choice.head, choice.device, choice.gpuAdapter]);
}

async function settledOrAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  let stop: (() => void) | undefined;
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    signal.addEventListener("abort", stop, { once: true });
  });
  await Promise.race([work.catch(() => undefined), aborted]);
  signal.removeEventListener("abort", stop!);
}
