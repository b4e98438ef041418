import * as vscode from "vscode";
import type { EngineAccess } from "./engine.ts";
import type { Localizer } from "./localizer.ts";
import type { OtherProvider } from "./otherProviders.ts";
import { statusText } from "./statusText.ts";
import type { Throughput } from "./throughput.ts";

/** Whether suggestions are asked for at all at the moment: switched off, on battery, language excluded. */
export interface PauseSource {
  /** Why not, in a few words; undefined where they are. */
  readonly paused: string | undefined;
  readonly onDidChange: vscode.Event<unknown>;
}

/** States that follow each other faster than this are one: the item must not flicker while somebody types. */
const settleMs = 120;

/** The one status item. */
export class StatusBar implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem("jakiro.status", vscode.StatusBarAlignment.Right, 100);
  private readonly disposables: { dispose(): void }[];
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly engine: Pick<EngineAccess, "state" | "onState">,
    private readonly throughput: Throughput,
    private readonly pause: PauseSource,
    private readonly memory: { readonly shortage: string | undefined },
    private readonly other: () => OtherProvider | undefined,
    private readonly l10n: Localizer,
  ) {
    this.item.name = "Jakiro";
    const later = () => this.updateSoon();
    this.disposables = [
      this.item,
      engine.onState(later),
      throughput.onChange(later),
      pause.onDidChange(later),
      { dispose: () => clearTimeout(this.timer) },
    ];
    this.update();
    this.item.show();
  }

  dispose(): void {
    for (const disposable of this.disposables) disposable.dispose();
  }

  private updateSoon(): void {
    this.timer ??= setTimeout(() => this.update(), settleMs);
  }

  private update(): void {
    this.timer = undefined;
    const { engine, throughput, pause, memory, item } = this;
    const facts = {
      engine: engine.state,
      paused: pause.paused,
      figures: throughput.figures,
      shortage: memory.shortage,
      other: this.other(),
    };
    const { text, tooltip, label, severity, command } = statusText(facts, this.l10n);
    item.text = text;
    item.tooltip = new vscode.MarkdownString(tooltip, true);
    item.accessibilityInformation = { label, role: "button" };
    item.command = command;
    item.backgroundColor = severity === "normal" ? undefined : new vscode.ThemeColor(backgrounds[severity]);
  }
}

const backgrounds = {
  warning: "statusBarItem.warningBackground",
  error: "statusBarItem.errorBackground",
} as const;
