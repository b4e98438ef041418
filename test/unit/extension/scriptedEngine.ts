import type { CancellationToken } from "vscode-jsonrpc";
import type { ConnectionState, EngineAccess } from "../../../src/extension/engine.ts";
import type { CompleteParams, CompleteResult, RequestStatistics, WarmParams } from "../../../src/protocol/messages.ts";

/** A request that the test answers. */
export interface ScriptedRequest {
  readonly params: Omit<CompleteParams, "id" | "progress">;
  readonly isCancelled: boolean;
  write(text: string): void;
  finish(...texts: string[]): void;
  fail(error: Error): void;
  /** As if the engine's process had died. */
  die(): void;
}

const statistics = {} as RequestStatistics;

export const readyState: Extract<ConnectionState, { kind: "ready" }> = {
  kind: "ready",
  busy: false,
  model: {
    name: "tiny",
    weights: "a1",
    device: "cpu",
    heads: [],
    infilling: true,
    chat: false,
    loadMs: 1,
    residentBytes: 1,
    plainTokensPerSecond: 1,
    forwardMs: [],
  },
};

/** An engine that does what the test says. */
export class ScriptedEngine implements Pick<EngineAccess, "complete" | "warm" | "state"> {
  state: ConnectionState = readyState;
  readonly requests: ScriptedRequest[] = [];
  readonly warmed: WarmParams[] = [];
  /** Resolved when warming is done; by default at once. */
  warmth: Promise<void> = Promise.resolve();

  get latest(): ScriptedRequest {
    return this.requests.at(-1)!;
  }

  /** Those with the given priority. */
  of(priority: CompleteParams["priority"]): ScriptedRequest[] {
    return this.requests.filter(({ params }) => params.priority === priority);
  }

  complete(
    params: Omit<CompleteParams, "id" | "progress">,
    token: CancellationToken,
    onText?: (text: string) => void,
  ): Promise<CompleteResult | undefined> {
    return new Promise((resolve, reject) => {
      token.onCancellationRequested(() => resolve(undefined));
      this.requests.push({
        params,
        get isCancelled() {
          return token.isCancellationRequested;
        },
        write: (text) => onText?.(text),
        finish: (...texts) => resolve({ texts, ending: "rule", notes: [], statistics }),
        fail: reject,
        die: () => resolve(undefined),
      });
    });
  }

  async warm(params: WarmParams): Promise<void> {
    this.warmed.push(params);
    await this.warmth;
  }
}
