import type { ConnectionState } from "./engine.ts";
import type { Localizer } from "./localizer.ts";

/** A command that helps, with its button's label. */
export interface Remedy {
  readonly title: string;
  readonly command: string;
  readonly arguments?: readonly string[];
}

/** Settings that the engine's messages advise to change, and not names of files and folders that look like them. */
const advised = /(?<![^ ])jakiro\.(?:device|head)(?=[ ,;]|\.(?: |$)|$)/;

/**
 * What helps against a failure of the engine: the one action that is offered wherever it is told of.
 * @param message what is told; where it names a setting, that is to be changed
 */
export function engineRemedy(state: ConnectionState | undefined, message: string, l10n: Localizer): Remedy {
  const [setting] = advised.exec(message) ?? [];
  if (setting !== undefined)
    return { title: l10n.t("Open Settings"), command: "workbench.action.openSettings", arguments: [setting] };
  if (/disk is full|make room there/i.test(message))
    return { title: l10n.t("Manage Models"), command: "jakiro.manageModels" };
  if (/does not have/.test(message) && /processor/.test(message))
    return { title: l10n.t("Copy Diagnostics"), command: "jakiro.copyDiagnostics" };
  const wantsRestart = /restart the engine/i.test(message);
  const needsOtherModel =
    (state?.kind === "failed" && !wantsRestart) || (state?.kind === "stopped" && state.memoryShort);
  return needsOtherModel ? { title: l10n.t("Select Model"), command: "jakiro.selectModel" } : restart(l10n);
}

function restart(l10n: Localizer): Remedy {
  return { title: l10n.t("Restart Engine"), command: "jakiro.restartEngine" };
}
