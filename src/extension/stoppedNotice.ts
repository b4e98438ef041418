import type { ConnectionState } from "./engine.ts";
import type { Localizer } from "./localizer.ts";
import { engineRemedy } from "./remedies.ts";

/** What the notice needs from the editor. */
export interface NoticeParts {
  readonly state: () => ConnectionState;
  /** Of several windows, the one that is looked at tells. */
  readonly isFocused: () => boolean;
  /** Shows one notification; gives the action that was clicked, undefined where it was closed. */
  readonly ask: (message: string, ...actions: string[]) => Thenable<string | undefined>;
  readonly run: (command: string, ...values: readonly unknown[]) => Thenable<unknown>;
  readonly l10n: Localizer;
}

/** Tells once of an engine that stays off until the user acts: nothing else would bring it back. */
export class StoppedNotice {
  private told: ConnectionState | undefined;

  constructor(private readonly parts: NoticeParts) {}

  /** To be called whenever the engine's state or the window's focus has changed. */
  async check(): Promise<void> {
    const { state, isFocused, ask, run, l10n } = this.parts;
    const current = state();
    if (current.kind !== "stopped" || current === this.told || !isFocused()) return;
    this.told = current;
    const remedy = engineRemedy(current.remedy, current, l10n);
    const log = l10n.t("Show Log");
    const answer = await ask(current.message, remedy.title, log);
    if (answer === remedy.title) await run(remedy.command, ...(remedy.arguments ?? []));
    else if (answer === log) await run("jakiro.showLog");
  }
}
