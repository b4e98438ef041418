import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import type { AcceptanceCounts } from "./acceptance.ts";
import type { EngineAccess } from "./engine.ts";
import type { Localizer } from "./localizer.ts";
import { emptyPanel, type PanelEvent, type PanelModel, reducePanel } from "./panelModel.ts";
import { panelPage } from "./panelPage.ts";
import { panelSections, type SectionId, sectionIds } from "./panelSections.ts";
import type { Throughput } from "./throughput.ts";

/** Where the counts of suggestions are kept. */
export interface SuggestionTally {
  readonly counts: AcceptanceCounts;
  /** Called after every change; gives back how to stop that. */
  onChange(listener: () => void): { dispose(): void };
  reset(): void;
}

export interface StatisticsSources {
  readonly engine: Pick<EngineAccess, "state" | "onState" | "onRound" | "observeRounds">;
  readonly throughput: Throughput;
  readonly suggestions: SuggestionTally;
  readonly extensionUri: vscode.Uri;
  readonly l10n: Localizer;
}

/** Rounds come dozens of times a second; eyes do not need more than this. */
const frameMs = 200;
/** For those who asked for less motion. */
const calmFrameMs = 2000;

/** The statistics panel, at most one a window. Costs nothing while it is not visible. */
export class StatisticsPanel implements vscode.Disposable {
  private open: OpenPanel | undefined;

  constructor(private readonly sources: StatisticsSources) {}

  /** Opens the panel beside the editor, or brings it to the front. */
  show(): void {
    this.open ??= new OpenPanel(this.sources, () => {
      this.open = undefined;
    });
    this.open.reveal();
  }

  dispose(): void {
    this.open?.close();
  }
}

class OpenPanel {
  private readonly panel: vscode.WebviewPanel;
  private readonly disposables: { dispose(): void }[];
  private model: PanelModel;
  private timer: NodeJS.Timeout | undefined;
  private calm = false;
  /** What the page holds; empty for a page that was just made. */
  private sent: Partial<Record<SectionId, string>> = {};

  constructor(
    private readonly sources: StatisticsSources,
    onClosed: () => void,
  ) {
    const { engine, throughput, suggestions, extensionUri, l10n } = sources;
    const folder = vscode.Uri.joinPath(extensionUri, "media", "panel");
    this.panel = vscode.window.createWebviewPanel(
      "jakiro.statistics",
      l10n.t("Jakiro Statistics"),
      { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true },
      { enableScripts: true, localResourceRoots: [folder] },
    );
    this.model = emptyPanel(engine.state);
    this.readSources();
    this.disposables = [
      engine.onState((state) => this.apply({ kind: "engine", state })),
      engine.onRound((round) => this.apply({ kind: "round", round })),
      throughput.onChange(() => this.readSources()),
      suggestions.onChange(() => this.readSources()),
      this.panel.webview.onDidReceiveMessage((message: unknown) => this.receive(message)),
      this.panel.onDidChangeViewState(() => engine.observeRounds(this.panel.visible)),
      this.panel.onDidDispose(() => {
        clearTimeout(this.timer);
        engine.observeRounds(false);
        for (const disposable of this.disposables) disposable.dispose();
        onClosed();
      }),
    ];
    const { webview } = this.panel;
    const uri = (file: string) => webview.asWebviewUri(vscode.Uri.joinPath(folder, file)).toString();
    webview.html = panelPage(
      {
        nonce: randomBytes(16).toString("hex"),
        cspSource: webview.cspSource,
        style: uri("panel.css"),
        script: uri("panel.js"),
        language: vscode.env.language,
      },
      l10n,
    );
    engine.observeRounds(true);
  }

  reveal(): void {
    this.panel.reveal(undefined, true);
  }

  close(): void {
    this.panel.dispose();
  }

  private readSources(): void {
    const { throughput, suggestions } = this.sources;
    this.apply({ kind: "throughput", figures: throughput.figures, history: throughput.history });
    this.apply({ kind: "suggestions", counts: suggestions.counts });
  }

  private apply(event: PanelEvent): void {
    this.model = reducePanel(this.model, event);
    this.timer ??= setTimeout(() => this.send(), this.calm ? calmFrameMs : frameMs);
  }

  /** Sends the sections that changed. */
  private send(): void {
    this.timer = undefined;
    if (!this.panel.visible) return;
    const sections = panelSections(this.model, this.sources.l10n);
    const changed = sectionIds.filter((id) => sections[id] !== this.sent[id]);
    if (changed.length === 0) return;
    this.sent = sections;
    void this.panel.webview.postMessage({ sections: Object.fromEntries(changed.map((id) => [id, sections[id]])) });
  }

  private receive(message: unknown): void {
    const { type, calm } = (message ?? {}) as { readonly type?: unknown; readonly calm?: unknown };
    if (type === "resetSuggestions") this.sources.suggestions.reset();
    if (type !== "ready") return;
    this.calm = calm === true;
    this.sent = {};
    this.send();
  }
}
