import * as vscode from "vscode";
import { runsOnBattery } from "./battery.ts";
import { isEnabledFor } from "./requestPolicy.ts";
import { readSettings } from "./settings.ts";
import type { PauseSource } from "./statusBar.ts";

export type PauseReason = "disabled" | "language" | "battery";

const batteryCheckMs = 60_000;

/** Why nothing is suggested while typing at the moment: switched off, off for this language, or on battery. */
export class Pause implements PauseSource, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<PauseReason | undefined>();
  readonly onDidChange = this.changed.event;
  private readonly subscriptions: vscode.Disposable[];
  private readonly timer: NodeJS.Timeout;
  /** Resolves when it is known whether the computer runs on battery. */
  readonly checked: Promise<void>;
  /** The machine's answer; tests put theirs in its place. */
  runsOnBattery: () => Promise<boolean> = runsOnBattery;
  private onBattery = false;
  private checking: Promise<void> = Promise.resolve();
  private current: PauseReason | undefined;

  constructor(
    private readonly choices: { readonly pausesOnBattery: boolean },
    private readonly onReason: (reason: PauseReason | undefined) => void,
  ) {
    this.subscriptions = [
      this.changed,
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("jakiro")) this.update();
        if (event.affectsConfiguration("jakiro.pauseOnBattery")) void this.checkBattery();
      }),
      vscode.window.onDidChangeActiveTextEditor(() => this.update()),
      vscode.window.onDidChangeWindowState(({ focused }) => {
        if (focused) void this.checkBattery();
      }),
    ];
    this.timer = setInterval(() => void this.checkBattery(), batteryCheckMs);
    this.update();
    this.checked = this.checkBattery();
  }

  get reason(): PauseReason | undefined {
    return this.current;
  }

  get paused(): string | undefined {
    const { l10n } = vscode;
    const language = vscode.window.activeTextEditor?.document.languageId ?? "";
    const words: Readonly<Record<PauseReason, string>> = {
      disabled: l10n.t("switched off"),
      language: l10n.t("off for {0}", language),
      battery: l10n.t("on battery"),
    };
    return this.current && words[this.current];
  }

  dispose(): void {
    clearInterval(this.timer);
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  /** Asks the machine anew; happens by itself every minute. In turn, since a late answer would otherwise replace a newer one. */
  checkBattery(): Promise<void> {
    this.checking = this.checking.catch(() => undefined).then(() => this.check());
    return this.checking;
  }

  private async check(): Promise<void> {
    if (!vscode.window.state.focused && this.onBattery) return;
    const onBattery = this.choices.pausesOnBattery && (await this.runsOnBattery());
    if (onBattery === this.onBattery) return;
    this.onBattery = onBattery;
    this.update();
  }

  private update(): void {
    const document = vscode.window.activeTextEditor?.document;
    const settings = readSettings(vscode.workspace.getConfiguration("jakiro", document));
    const { enabled } = settings;
    const forLanguage = document === undefined || isEnabledFor(document.languageId, settings);
    const battery = this.onBattery && this.choices.pausesOnBattery;
    this.current = !enabled ? "disabled" : !forLanguage ? "language" : battery ? "battery" : undefined;
    void vscode.commands.executeCommand("setContext", "jakiro.enabled", enabled);
    this.onReason(this.current);
    this.changed.fire(this.current);
  }
}
