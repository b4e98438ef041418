import type { ConnectionState } from "./engine.ts";

/** The part of VS Code's Memento that is used here. */
export interface Memory {
  get<Value>(key: string): Value | undefined;
  update(key: string, value: unknown): Thenable<void>;
}

const key = "jakiro.measuredSpeeds";

/** Remembers how fast each model decoded plainly on this machine when it was last loaded. */
export class MeasuredSpeeds {
  constructor(private readonly memory: Memory) {}

  /** Tokens per second by the name that the engine gives a model. */
  get all(): Readonly<Record<string, number>> {
    return this.memory.get<Record<string, number>>(key) ?? {};
  }

  /** To be told every state of the engine. */
  note(state: ConnectionState): void {
    if (state.kind !== "ready") return;
    const { name, plainTokensPerSecond } = state.model;
    if (!(plainTokensPerSecond > 0) || this.all[name] === plainTokensPerSecond) return;
    void this.memory.update(key, { ...this.all, [name]: plainTokensPerSecond });
  }
}
