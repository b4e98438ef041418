import { freemem, platform } from "node:os";
import { basename } from "node:path";
import { catalogue } from "../engine/model/catalogue.ts";
import { inspectModel } from "../engine/model/inspect.ts";
import type { ConnectionState } from "./engine.ts";
import type { Localizer } from "./localizer.ts";
import { sizeText } from "./numberText.ts";

/** A line through the catalogue's two models, whose memory was measured: weights are kept as int8, whatever the file holds. */
export function aboutMemory(weights: number): number {
  return 2e8 + 2.2 * weights;
}

/** About what running a model takes, in bytes; undefined where that cannot be told. */
export function memoryNeed(modelPath: string): number | undefined {
  const known = catalogue.find(({ file }) => file === basename(modelPath));
  if (known !== undefined) return known.memoryBytes;
  const inspection = inspectModel(modelPath);
  return inspection.usable ? aboutMemory(inspection.weights) : undefined;
}

/** Bytes that a process could still have; undefined on macOS, which keeps files in what it does not count as free. */
export function freeMemory(): number | undefined {
  if (platform() === "darwin") return undefined;
  // Knows of a container's limit as well; older editors' Node does not have it.
  return process.availableMemory?.() ?? freemem();
}

export interface MemoryParts {
  readonly need: (modelPath: string) => number | undefined;
  readonly free: () => number | undefined;
  readonly log: (line: string) => void;
  readonly l10n: Localizer;
}

/** Compares what a model needs of memory with what is free. Nothing is refused: the system may still find room. */
export class MemoryNeed {
  /** That the model that is being loaded will hardly find room; undefined where it will, or none is being loaded. */
  shortage: string | undefined;
  private before: ConnectionState | undefined;

  constructor(private readonly parts: MemoryParts) {}

  /** What a model needs and what is free, as a sentence. */
  sentence(modelPath: string): string | undefined {
    const { need, free, l10n } = this.parts;
    const [needed, there] = [need(modelPath), free()];
    if (needed === undefined || there === undefined) return undefined;
    return l10n.t("The model needs about {0} of memory, {1} are free.", sizeText(needed), sizeText(there));
  }

  /** To be told every state of the engine; compares when it begins to load. */
  note(state: ConnectionState, modelPath: string | undefined): void {
    const { before } = this;
    this.before = state;
    if (state.kind !== "loading") this.shortage = undefined;
    else if (before?.kind !== "loading" && modelPath !== undefined) {
      const { need, free, log } = this.parts;
      // The model that goes on serving meanwhile is let go of.
      const held = before?.kind === "ready" ? before.model.residentBytes : 0;
      const there = free();
      if (there === undefined || (need(modelPath) ?? 0) <= there + held) return;
      this.shortage = this.sentence(modelPath);
      log(`Memory: ${this.shortage}`);
    }
  }
}
