import { JakiroError } from "../engine/errors.ts";
import { type ConnectionState, EngineFailure, type FailureRemedy } from "./engine.ts";
import type { Localizer } from "./localizer.ts";

/** A command that helps, with its button's label. */
export interface Remedy {
  readonly title: string;
  readonly command: string;
  readonly arguments?: readonly string[];
}

/** A failure outside of the engine that a command helps against. The message is for the user. */
export class RemediableError extends Error {
  constructor(
    message: string,
    readonly remedy: Remedy,
  ) {
    super(message);
  }
}

/** What helps against a failure of any part; undefined where nothing is known to. */
export function remedyOf(error: unknown, l10n: Localizer): Remedy | undefined {
  if (error instanceof RemediableError) return error.remedy;
  const isNamed = error instanceof JakiroError || error instanceof EngineFailure;
  return isNamed && error.remedy !== undefined ? engineRemedy(error.remedy, undefined, l10n) : undefined;
}

/**
 * What helps against a failure of the engine: the one action that is offered wherever it is told of.
 * @param named by the failure; where it names none, the engine's state tells
 */
export function engineRemedy(
  named: FailureRemedy | undefined,
  state: ConnectionState | undefined,
  l10n: Localizer,
): Remedy {
  switch (named ?? (state?.kind === "failed" ? "model" : "restart")) {
    case "model":
      return { title: l10n.t("Select Model"), command: "jakiro.selectModel" };
    case "files":
      return { title: l10n.t("Manage Models"), command: "jakiro.manageModels" };
    case "head":
      return settingRemedy("jakiro.head", l10n);
    case "device":
      return settingRemedy("jakiro.device", l10n);
    case "report":
      return { title: l10n.t("Copy Diagnostics"), command: "jakiro.copyDiagnostics" };
    case "restart":
      return { title: l10n.t("Restart Engine"), command: "jakiro.restartEngine" };
  }
}

/** To change a setting. */
export function settingRemedy(key: string, l10n: Localizer): Remedy {
  return { title: l10n.t("Open Settings"), command: "workbench.action.openSettings", arguments: [key] };
}
