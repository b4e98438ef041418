import type { ConnectionState } from "./engine.ts";
import type { Localizer } from "./localizer.ts";
import { type OtherProvider, providerRemedy } from "./otherProviders.ts";
import { engineRemedy } from "./remedies.ts";

/** A line of the quick menu: a command with words for it. */
export interface MenuItem {
  readonly label: string;
  readonly description: string;
  readonly command: string;
  readonly arguments?: readonly string[];
}

export interface MenuFacts {
  readonly engine: ConnectionState;
  /** Suggestions are switched on. */
  readonly enabled: boolean;
  /** The model that is being loaded will hardly find room. */
  readonly memoryShort?: boolean;
  /** Another extension that suggests inline here. */
  readonly other?: OtherProvider | undefined;
}

/** What the status item's menu offers: only what makes sense at the moment, what helps most first. */
export function menuItems({ engine, enabled, memoryShort, other }: MenuFacts, l10n: Localizer): MenuItem[] {
  const item = (command: string, label: string, description = ""): MenuItem => ({ label, description, command });
  const log = item("jakiro.showLog", `$(output) ${l10n.t("Show Log")}`);
  const diagnostics = item("jakiro.copyDiagnostics", `$(clippy) ${l10n.t("Copy Diagnostics")}`);
  const select = item("jakiro.selectModel", `$(list-selection) ${l10n.t("Select Model…")}`, nameOf(engine));
  const restart = item("jakiro.restartEngine", `$(debug-restart) ${l10n.t("Restart Engine")}`);
  if (engine.kind === "noModel") {
    return [item("jakiro.setUp", `$(cloud-download) ${l10n.t("Set Up Jakiro…")}`), log, diagnostics];
  }
  const broken = engine.kind === "failed" || engine.kind === "stopped";
  const toggle = enabled
    ? item("jakiro.toggle", `$(debug-pause) ${l10n.t("Switch Suggestions Off")}`)
    : item("jakiro.toggle", `$(play) ${l10n.t("Switch Suggestions On")}`);
  const usual = [
    toggle,
    item("jakiro.openStatistics", `$(graph) ${l10n.t("Open Statistics")}`),
    item("jakiro.whyNoSuggestion", `$(question) ${l10n.t("Why No Suggestion?")}`),
    ...(other === undefined ? [] : [otherItem(other, l10n)]),
    select,
    item("jakiro.manageModels", `$(trash) ${l10n.t("Manage Models…")}`),
    ...(engine.kind === "ready"
      ? [
          item(
            "jakiro.releaseMemory",
            `$(circle-outline) ${l10n.t("Release Memory")}`,
            l10n.t("until the next suggestion"),
          ),
        ]
      : []),
    restart,
    log,
    diagnostics,
  ];
  if (broken) {
    const { title, ...remedy } = engineRemedy(engine.remedy, engine, l10n);
    const helps = usual.find(({ command }) => command === remedy.command);
    return foremost([helps ?? { label: `$(settings-gear) ${title}`, description: "", ...remedy }, log], usual);
  }
  return memoryShort ? foremost([select], usual) : usual;
}

function foremost(first: readonly MenuItem[], items: readonly MenuItem[]): MenuItem[] {
  return [...first, ...items.filter((item) => !first.includes(item))];
}

function otherItem(other: OtherProvider, l10n: Localizer): MenuItem {
  const { title, ...remedy } = providerRemedy(other, l10n);
  return { label: `$(extensions) ${title}`, description: l10n.t("suggests code inline too"), ...remedy };
}

function nameOf(state: ConnectionState): string {
  if (state.kind === "ready") return state.model.name;
  return "name" in state ? state.name : "";
}
