import { barChart, type LineChart, lineChart, stackedBar } from "./charts.ts";
import type { ConnectionState } from "./engine.ts";
import { stageText } from "./engineWords.ts";
import type { Localizer } from "./localizer.ts";
import { escapeHtml, hiddenTable } from "./markup.ts";
import { durationText, percentText, rateText, sizeText } from "./numberText.ts";
import { liveTokensPerSecond, type PanelModel } from "./panelModel.ts";
import { type HistoryPoint, speedUp } from "./throughput.ts";
import { layoutTree, treeDrawing, visibleToken } from "./treeDrawing.ts";

/** The panel's parts that change, by the id of the element that holds each. */
export const sectionIds = ["overview", "speed", "tau", "acceptance", "round", "tree", "suggestions", "engine"] as const;
export type SectionId = (typeof sectionIds)[number];

/** Each section as HTML; all text in it that is not Jakiro's own is escaped. */
export function panelSections(model: PanelModel, l10n: Localizer): Record<SectionId, string> {
  return {
    overview: overview(model, l10n),
    speed: speed(model, l10n),
    tau: tau(model, l10n),
    acceptance: acceptance(model, l10n),
    round: roundTimes(model, l10n),
    tree: tree(model, l10n),
    suggestions: suggestions(model, l10n),
    engine: engine(model.engine, l10n),
  };
}

function overview(model: PanelModel, l10n: Localizer): string {
  const { figures } = model;
  const plain = plainTokensPerSecond(model);
  const times = plain === undefined ? undefined : speedUp(figures, plain);
  return tiles([
    [l10n.t("tokens per second"), figures && rateText(figures.tokensPerSecond)],
    [l10n.t("tokens per pass"), figures && rateText(figures.tau)],
    [l10n.t("as fast as plain decoding"), times && `${times.toFixed(1)}×`],
    [l10n.t("last suggestion"), figures?.lastLatencyMs && durationText(figures.lastLatencyMs)],
  ]);
}

function speed(model: PanelModel, l10n: Localizer): string {
  const values = model.history.map(({ tokensPerSecond }) => tokensPerSecond);
  if (values.length === 0) return nothingYet(l10n);
  const plain = plainTokensPerSecond(model);
  const live = liveTokensPerSecond(model);
  const label = l10n.t(
    "Tokens per second of the last {0} suggestions, the latest {1}",
    values.length,
    rateText(values.at(-1)!),
  );
  const reference =
    plain === undefined ? undefined : { value: plain, label: l10n.t("plain decoding {0}", rateText(plain)) };
  return (
    historyChart(model, values, { label, column: l10n.t("tokens per second"), reference }, l10n) +
    (live === undefined
      ? ""
      : hint(l10n.t("{0} tokens per second in the latest rounds, without the host's time", rateText(live))))
  );
}

function tau(model: PanelModel, l10n: Localizer): string {
  const values = model.history.map((point) => point.tau);
  if (values.length === 0) return nothingYet(l10n);
  const label = l10n.t(
    "Tokens per pass of the last {0} suggestions, the latest {1}",
    values.length,
    rateText(values.at(-1)!),
  );
  const reference = { value: 1, label: l10n.t("plain decoding 1") };
  return historyChart(model, values, { label, column: l10n.t("tokens per pass"), reference }, l10n);
}

interface HistoryTexts extends Pick<LineChart, "label" | "reference"> {
  /** Heading of the values in the table for screen readers. */
  readonly column: string;
}

/** A value of every suggestion, as a line and as a table. */
function historyChart(
  { history }: PanelModel,
  values: readonly number[],
  { label, column, reference }: HistoryTexts,
  l10n: Localizer,
): string {
  const chart = lineChart({ label, values, ends: ends(history, l10n), format: axisText, reference });
  return chart + historyTable(label, column, values, l10n);
}

const depthsShown = 12;

function acceptance({ figures }: PanelModel, l10n: Localizer): string {
  const shares = figures?.acceptanceByDepth.slice(0, depthsShown) ?? [];
  if (shares.length === 0) return nothingYet(l10n);
  const label = l10n.t("Share of drafted tokens that were accepted, by depth");
  const bars = shares.map((share, depth) => ({ name: String(depth + 1), share, text: percentText(share) }));
  const rows = bars.map(({ name, text }) => [name, text]);
  return barChart(label, bars) + hiddenTable(label, [l10n.t("depth"), l10n.t("accepted")], rows);
}

function roundTimes({ figures }: PanelModel, l10n: Localizer): string {
  if (figures === undefined) return nothingYet(l10n);
  const { draftMs, verifyMs, hostMs } = figures.round;
  const parts = [
    { name: l10n.t("draft"), value: draftMs, text: milliseconds(draftMs) },
    { name: l10n.t("verify"), value: verifyMs, text: milliseconds(verifyMs) },
    { name: l10n.t("host"), value: hostMs, text: milliseconds(hostMs) },
  ];
  const all = milliseconds(draftMs + verifyMs + hostMs);
  const label = l10n.t("A round takes {0}: {1}", all, parts.map(({ name, text }) => `${name} ${text}`).join(", "));
  return `${stackedBar(label, parts)}<p>${escapeHtml(l10n.t("{0} a round", all))}</p>`;
}

function tree({ rounds }: PanelModel, l10n: Localizer): string {
  const round = rounds.at(-1);
  const nodes = round === undefined ? [] : layoutTree(round);
  if (round === undefined || nodes.length === 0) {
    return hint(l10n.t("The next suggestion shows its tree here while this panel is visible."));
  }
  const label = l10n.t(
    "Tree of {0} drafted tokens, of which {1} were accepted",
    nodes.length - 1,
    Math.max(0, round.accepted.length - 1),
  );
  const header = [l10n.t("token"), l10n.t("depth"), l10n.t("after"), l10n.t("accepted")];
  const rows = nodes.map(({ token, depth, parent, accepted }) => [
    visibleToken(token),
    String(depth),
    parent < 0 ? "" : visibleToken(nodes[parent]?.token ?? ""),
    accepted ? l10n.t("yes") : l10n.t("no"),
  ]);
  const summary = l10n.t(
    "{0}; {1} tokens committed in {2}.",
    label,
    round.committed,
    milliseconds(round.draftMs + round.verifyMs),
  );
  return `${treeDrawing(label, nodes)}<p>${escapeHtml(summary)}</p>${hiddenTable(label, header, rows)}`;
}

function suggestions({ suggestions: counts }: PanelModel, l10n: Localizer): string {
  const { offered, accepted, partlyAccepted, kept, judged } = counts;
  const share = (part: number, whole: number) => (whole > 0 ? ` (${percentText(part / whole)})` : "");
  return tiles([
    [l10n.t("offered"), String(offered)],
    [l10n.t("accepted"), `${accepted}${share(accepted, offered)}`],
    [l10n.t("accepted in part"), `${partlyAccepted}${share(partlyAccepted, offered)}`],
    [l10n.t("kept after 30 s"), `${kept}${share(kept, judged)}`],
  ]);
}

function engine(state: ConnectionState, l10n: Localizer): string {
  switch (state.kind) {
    case "noModel":
      return hint(l10n.t("No model was chosen yet."));
    case "starting":
      return hint(l10n.t("The engine is starting."));
    case "loading":
      return hint(
        `${state.name}: ${stageText(state.stage, l10n)}${state.progress === undefined ? "" : ` ${percentText(state.progress)}`}`,
      );
    case "released":
      return hint(l10n.t("{0} was unloaded to free memory; the next suggestion loads it again.", state.name));
    case "failed":
    case "stopped":
      return hint(state.message);
    case "ready": {
      const { model } = state;
      return `<dl>${[
        [l10n.t("model"), model.name],
        [l10n.t("device"), model.device === "gpu" ? (model.adapter ?? l10n.t("graphics card")) : l10n.t("processor")],
        ...(model.deviceReason === undefined ? [] : [[l10n.t("why not the graphics card"), model.deviceReason]]),
        [l10n.t("draft heads"), model.heads.join(", ") || l10n.t("none: drafts come from earlier text alone")],
        [l10n.t("memory"), sizeText(model.residentBytes)],
        [l10n.t("loaded in"), durationText(model.loadMs)],
        [l10n.t("plain decoding"), l10n.t("{0} tokens per second", rateText(model.plainTokensPerSecond))],
      ]
        .map(([name = "", value = ""]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`)
        .join("")}</dl>`;
    }
  }
}

function tiles(entries: readonly (readonly [string, string | number | undefined])[]): string {
  const items = entries.map(
    ([name, value]) =>
      `<div class="tile"><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value ? String(value) : "–")}</dd></div>`,
  );
  return `<dl class="tiles">${items.join("")}</dl>`;
}

function ends(history: readonly HistoryPoint[], l10n: Localizer): [string, string] {
  const span = (history.at(-1)?.at ?? 0) - (history[0]?.at ?? 0);
  const minutes = Math.round(span / 60_000);
  return [minutes > 0 ? l10n.t("{0} minutes before", minutes) : "", l10n.t("latest")];
}

/** Readers hear the latest values, not two screens of numbers. */
const spokenValues = 10;

function historyTable(caption: string, unit: string, values: readonly number[], l10n: Localizer): string {
  const latest = values.slice(-spokenValues).reverse();
  const rows = latest.map((value, index) => [index === 0 ? l10n.t("latest") : String(index + 1), rateText(value)]);
  return hiddenTable(caption, [l10n.t("suggestion"), unit], rows);
}

function nothingYet(l10n: Localizer): string {
  return hint(l10n.t("Nothing was suggested yet in this window."));
}

function hint(text: string): string {
  return `<p class="hint">${escapeHtml(text)}</p>`;
}

function axisText(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function milliseconds(ms: number): string {
  return `${rateText(ms)} ms`;
}

function plainTokensPerSecond({ engine: state }: PanelModel): number | undefined {
  return state.kind === "ready" && state.model.plainTokensPerSecond > 0 ? state.model.plainTokensPerSecond : undefined;
}
