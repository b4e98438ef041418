import type { RoundParams } from "../protocol/messages.ts";
import type { AcceptanceCounts } from "./acceptance.ts";
import type { ConnectionState } from "./engine.ts";
import type { Figures, HistoryPoint } from "./throughput.ts";

/** All that the statistics panel shows. */
export interface PanelModel {
  readonly engine: ConnectionState;
  readonly figures: Figures | undefined;
  readonly history: readonly HistoryPoint[];
  /** The latest rounds seen while the panel was visible, oldest first. */
  readonly rounds: readonly RoundParams[];
  readonly suggestions: AcceptanceCounts;
}

export type PanelEvent =
  | { readonly kind: "engine"; readonly state: ConnectionState }
  | {
      readonly kind: "throughput";
      readonly figures: Figures | undefined;
      readonly history: readonly HistoryPoint[];
    }
  | { readonly kind: "round"; readonly round: RoundParams }
  | { readonly kind: "suggestions"; readonly counts: AcceptanceCounts };

/** Enough for a live figure that does not jump with every round. */
const keptRounds = 24;

export function emptyPanel(engine: ConnectionState): PanelModel {
  return {
    engine,
    figures: undefined,
    history: [],
    rounds: [],
    suggestions: { offered: 0, accepted: 0, partlyAccepted: 0, kept: 0, judged: 0 },
  };
}

/** The panel after an event. */
export function reducePanel(model: PanelModel, event: PanelEvent): PanelModel {
  switch (event.kind) {
    case "engine": {
      const before = loadedName(model.engine);
      const after = loadedName(event.state);
      const changed = before !== undefined && after !== undefined && before !== after;
      return { ...model, engine: event.state, rounds: changed ? [] : model.rounds };
    }
    case "throughput":
      return { ...model, figures: event.figures, history: event.history };
    case "round":
      return { ...model, rounds: [...model.rounds, event.round].slice(-keptRounds) };
    case "suggestions":
      return { ...model, suggestions: event.counts };
  }
}

/** Tokens per second over the latest rounds, host time left out; undefined where none was seen. */
export function liveTokensPerSecond({ rounds }: PanelModel): number | undefined {
  const ms = rounds.reduce((sum, { draftMs, verifyMs }) => sum + draftMs + verifyMs, 0);
  return ms > 0 ? (1000 * rounds.reduce((sum, { committed }) => sum + committed, 0)) / ms : undefined;
}

function loadedName(state: ConnectionState): string | undefined {
  return state.kind === "ready" ? state.model.name : undefined;
}
