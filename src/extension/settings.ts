import type { WorkspaceConfiguration } from "vscode";

/** What the user chose for inline completions; under `jakiro.` in the editor's settings. */
export interface Settings {
  /** Suggestions while typing. */
  readonly enabled: boolean;
  /** By VS Code's language id; "*" stands for all others. */
  readonly enabledLanguages: Readonly<Record<string, boolean>>;
  /** "auto": lines as soon as they are complete; "always": only whole blocks; "never": one line. */
  readonly multiline: "auto" | "always" | "never";
  /** Longest completion, in tokens. */
  readonly maxTokens: number;
  /** Pieces of other open and recently edited files are read too. */
  readonly contextFromOtherFiles: boolean;
  /** Computes what follows a suggestion before it is accepted. */
  readonly prefetch: boolean;
}

export const defaultSettings: Settings = {
  enabled: true,
  enabledLanguages: { "*": true },
  multiline: "auto",
  maxTokens: 128,
  contextFromOtherFiles: true,
  prefetch: true,
};

const mostTokens = 1024;

/** Reads the settings; a value of a wrong kind counts as absent, a number beyond its limits as the limit. */
export function readSettings(configuration: Pick<WorkspaceConfiguration, "get">): Settings {
  const flag = (key: string, fallback: boolean) => {
    const value = configuration.get<unknown>(key);
    return typeof value === "boolean" ? value : fallback;
  };
  const fallback = defaultSettings;
  const multiline = configuration.get<unknown>("multiline");
  return {
    enabled: flag("enabled", fallback.enabled),
    enabledLanguages: languagesOf(configuration.get<unknown>("enabledLanguages")),
    multiline: multiline === "always" || multiline === "never" ? multiline : fallback.multiline,
    maxTokens: tokensOf(configuration.get<unknown>("maxTokens")),
    contextFromOtherFiles: flag("contextFromOtherFiles", fallback.contextFromOtherFiles),
    prefetch: flag("prefetch", fallback.prefetch),
  };
}

function languagesOf(value: unknown): Readonly<Record<string, boolean>> {
  if (typeof value !== "object" || value === null) return defaultSettings.enabledLanguages;
  return Object.fromEntries(Object.entries(value).filter(([, enabled]) => typeof enabled === "boolean"));
}

function tokensOf(value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value)) return defaultSettings.maxTokens;
  return Math.round(Math.min(mostTokens, Math.max(1, value)));
}
