import type { ConnectionState } from "./engine.ts";
import { stageText } from "./engineWords.ts";
import type { Localizer } from "./localizer.ts";
import { durationText, percentText, rateText } from "./numberText.ts";
import { type OtherProvider, providerText } from "./otherProviders.ts";
import { type Figures, speedUp } from "./throughput.ts";

/** All that the status item depends on. */
export interface StatusFacts {
  readonly engine: ConnectionState;
  /** Why automatic suggestions are off at the moment, in a few words; undefined where they are on. */
  readonly paused: string | undefined;
  readonly figures: Figures | undefined;
  /** That the model that is being loaded will hardly find room, as a sentence. */
  readonly shortage?: string | undefined;
  /** Another extension that suggests inline here. */
  readonly other?: OtherProvider | undefined;
}

export interface StatusText {
  /** With VS Code's $(icons). */
  readonly text: string;
  /** Markdown with icons; everything that is not Jakiro's own is escaped. */
  readonly tooltip: string;
  /** What a screen reader says: no icons, no abbreviations. */
  readonly label: string;
  readonly severity: "normal" | "warning" | "error";
  /** What a click does. */
  readonly command: "jakiro.menu" | "jakiro.setUp";
}

/** What the status item says. */
export function statusText(facts: StatusFacts, l10n: Localizer): StatusText {
  const said = stateText(facts, l10n);
  const { engine, other } = facts;
  if (other === undefined || engine.kind === "noModel") return said;
  return { ...said, tooltip: paragraphs(said.tooltip, `$(extensions) ${escapeMarkdown(providerText(other, l10n))}`) };
}

function stateText(facts: StatusFacts, l10n: Localizer): StatusText {
  const menu = { severity: "normal", command: "jakiro.menu" } as const;
  const { engine, shortage } = facts;
  switch (engine.kind) {
    case "noModel": {
      const sentence = l10n.t("Jakiro needs a code model before it can suggest anything.");
      return {
        ...menu,
        text: `$(cloud-download) ${l10n.t("Jakiro: set up")}`,
        tooltip: sentence,
        label: l10n.t("Jakiro: set up. {0}", sentence),
        command: "jakiro.setUp",
      };
    }
    case "starting": {
      const sentence = l10n.t("The engine is starting.");
      return {
        ...menu,
        text: "$(loading~spin) Jakiro",
        tooltip: sentence,
        label: l10n.t("Jakiro: {0}", sentence),
      };
    }
    case "loading": {
      const share = engine.progress === undefined ? "" : ` ${percentText(engine.progress)}`;
      const stage = `${stageText(engine.stage, l10n)}${share}`;
      return {
        ...menu,
        text: `$(loading~spin) Jakiro${share}`,
        tooltip: paragraphs(
          bold(engine.name),
          escapeMarkdown(stage),
          shortage && `$(warning) ${escapeMarkdown(shortage)}`,
        ),
        label: l10n.t("Jakiro: loading {0}, {1}", engine.name, [stage, shortage].filter(Boolean).join(". ")),
        severity: shortage === undefined ? "normal" : "warning",
      };
    }
    case "released": {
      // No suggestion will load it.
      if (facts.paused !== undefined) return pausedText(facts.paused, l10n, bold(engine.name));
      const sentence = l10n.t("The memory was released; the next suggestion loads the model again.");
      return {
        ...menu,
        text: `$(circle-outline) ${l10n.t("Jakiro: unloaded")}`,
        tooltip: paragraphs(bold(engine.name), sentence),
        label: l10n.t("Jakiro: unloaded. {0}", sentence),
      };
    }
    case "failed":
    case "stopped": {
      const name = engine.kind === "failed" ? bold(engine.name) : "";
      const goesOn =
        engine.kind === "failed" && engine.serving !== undefined
          ? [l10n.t("{0} goes on making suggestions.", engine.serving)]
          : [];
      return {
        ...menu,
        severity: "error",
        text: "$(error) Jakiro",
        tooltip: paragraphs(name, escapeMarkdown(engine.message), ...goesOn.map(escapeMarkdown)),
        label: l10n.t("Jakiro: error. {0}", [engine.message, ...goesOn].join(" ")),
      };
    }
    case "ready":
      return readyText(facts, engine, l10n);
  }
}

/** @param more of the tooltip, below the reason */
function pausedText(reason: string, l10n: Localizer, ...more: readonly string[]): StatusText {
  const sentence = l10n.t("Paused: {0}", reason);
  return {
    text: `$(debug-pause) ${l10n.t("Jakiro: paused")}`,
    tooltip: paragraphs(escapeMarkdown(sentence), ...more),
    label: l10n.t("Jakiro: {0}", sentence),
    severity: "normal",
    command: "jakiro.menu",
  };
}

type Ready = Extract<ConnectionState, { kind: "ready" }>;

function readyText({ paused, figures }: StatusFacts, engine: Ready, l10n: Localizer): StatusText {
  const spoken = figures && spokenRate(figures, l10n);
  const rate =
    figures === undefined
      ? ""
      : ` ${l10n.t("{0} tok/s · {1} tok/pass", rateText(figures.tokensPerSecond), rateText(figures.tau))}`;
  const tooltip = (...first: string[]) => paragraphs(...first, ...readyTooltip(engine, figures, l10n));
  const say = (state: string) => l10n.t("Jakiro: {0}", [state, ...(spoken ? [spoken] : [])].join(", "));

  if (paused !== undefined) return pausedText(paused, l10n, ...readyTooltip(engine, figures, l10n));
  if (figures?.slow) {
    const sentence = l10n.t("Suggestions are slow on this machine; a smaller model or shorter suggestions would help.");
    return {
      text: `$(warning) Jakiro${rate}`,
      tooltip: tooltip(`$(warning) ${sentence}`),
      label: say(l10n.t("slow")),
      severity: "warning",
      command: "jakiro.menu",
    };
  }
  return {
    text: `${engine.busy ? "$(loading~spin)" : "$(zap)"} Jakiro${rate}`,
    tooltip: tooltip(),
    label: say(engine.busy ? l10n.t("generating") : l10n.t("idle")),
    severity: "normal",
    command: "jakiro.menu",
  };
}

function spokenRate({ tokensPerSecond, tau }: Figures, l10n: Localizer): string {
  return l10n.t("{0} tokens per second, {1} tokens per pass", rateText(tokensPerSecond), rateText(tau));
}

/** Where the model runs; on the processor, why it is not on a GPU where that was to be tried. */
function deviceText({ device, adapter, deviceReason }: Ready["model"], l10n: Localizer): string {
  if (device === "gpu")
    return adapter === undefined ? l10n.t("on the graphics card") : l10n.t("on the graphics card {0}", adapter);
  return deviceReason === undefined ? l10n.t("on the processor") : l10n.t("on the processor ({0})", deviceReason);
}

function readyTooltip({ model }: Ready, figures: Figures | undefined, l10n: Localizer): string[] {
  const heads = model.heads.length > 0 ? model.heads.join(", ") : undefined;
  const drafts =
    heads === undefined
      ? l10n.t("no draft head: drafts come from earlier text alone")
      : l10n.t("draft head: {0}", heads);
  const title = `${bold(model.name)} ${escapeMarkdown(deviceText(model, l10n))}, ${escapeMarkdown(drafts)}`;
  if (figures === undefined) {
    const plain = rateText(model.plainTokensPerSecond);
    return [title, l10n.t("Nothing was suggested yet. Plain decoding measured at load: {0} tokens per second.", plain)];
  }
  const times = speedUp(figures, model.plainTokensPerSecond);
  const lines = [
    ...(times === undefined
      ? []
      : [
          l10n.t(
            "{0} times as fast as plain decoding ({1} tok/s)",
            times.toFixed(1),
            rateText(model.plainTokensPerSecond),
          ),
        ]),
    ...(figures.acceptanceByDepth.length === 0
      ? []
      : [l10n.t("Accepted by depth: {0}", acceptanceRow(figures.acceptanceByDepth))]),
    ...(figures.lastLatencyMs === undefined
      ? []
      : [l10n.t("Last suggestion: {0}", durationText(figures.lastLatencyMs))]),
  ];
  return [title, lines.join("  \n")];
}

const blocks = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const depthsInRow = 8;

/** "▇▅▃ 83 % 61 % 40 %": one block per depth, then the first depths in figures. */
export function acceptanceRow(shares: readonly number[]): string {
  const shown = shares.slice(0, depthsInRow);
  const bars = shown.map((share) => blocks[Math.min(blocks.length - 1, Math.floor(share * blocks.length))]);
  return `${bars.join("")} ${shown.slice(0, 3).map(percentText).join(" · ")}`;
}

function paragraphs(...parts: (string | undefined)[]): string {
  return parts.filter(Boolean).join("\n\n");
}

function bold(text: string): string {
  return `**${escapeMarkdown(text)}**`;
}

/** Model names and messages are text, whatever characters they hold; "$(" would become an icon. */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+\-!|<>~$&]/g, "\\$&").replace(/\s*\n\s*/g, " ");
}
