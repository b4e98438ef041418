import { CancellationToken } from "vscode-jsonrpc";
import type { WarmParams } from "../protocol/messages.ts";
import type { EngineAccess } from "./engine.ts";

export interface FirstLoadParts {
  readonly engine: Pick<EngineAccess, "state" | "warm">;
  /** A document that is looked at and would get suggestions while typing; undefined where there is none. */
  readonly document: () => WarmParams | undefined;
}

/**
 * Has the model loaded when the first document is looked at that would get suggestions, not with the first keystroke, whose
 * suggestion would come seconds late. Once a window: weights that were released later are loaded by the next request.
 */
export class FirstLoad {
  private isOver = false;

  constructor(private readonly parts: FirstLoadParts) {}

  /** To be called whenever there may be such a document or a model for it. */
  check(): void {
    const { engine, document } = this.parts;
    const { kind } = engine.state;
    if (this.isOver || kind === "noModel") return;
    if (kind !== "released") {
      this.isOver = true;
      return;
    }
    const looked = document();
    if (looked === undefined) return;
    this.isOver = true;
    // What goes wrong shows in the engine's state.
    engine.warm(looked, CancellationToken.None).catch(() => undefined);
  }
}
