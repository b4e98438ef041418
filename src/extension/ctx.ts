import { join } from "node:path";
import * as vscode from "vscode";
import { registerCommands } from "./commands.ts";
import { copyDiagnostics } from "./diagnostics.ts";
import { ModelDownloads } from "./downloadModel.ts";
import { EditorContext } from "./editorContext.ts";
import { type ConnectionState, type EngineAccess, writerOf } from "./engine.ts";
import { EngineClient } from "./engineClient.ts";
import { FirstLoad } from "./firstLoad.ts";
import { GenerateCommands } from "./generateCommand.ts";
import { InlineCompletions } from "./inlineCompletion.ts";
import { Journal } from "./journal.ts";
import { MeasuredSpeeds } from "./measuredSpeeds.ts";
import { freeMemory, MemoryNeed, memoryNeed } from "./memoryNeed.ts";
import { meteredEngine } from "./meteredEngine.ts";
import { activeProvider, noticeProvider, type OtherProvider } from "./otherProviders.ts";
import { Pause } from "./pause.ts";
import { type TraceSink, tracedEngine } from "./requestTrace.ts";
import { type ModelSelection, selectModel } from "./selectModel.ts";
import { offerSetUp } from "./setUp.ts";
import { StatisticsPanel } from "./statsPanel.ts";
import { StatusBar } from "./statusBar.ts";
import { StoppedNotice } from "./stoppedNotice.ts";
import { tellFailure } from "./tell.ts";
import { folderPaths } from "./textDocument.ts";
import { Throughput } from "./throughput.ts";
import { UserChoices } from "./userChoices.ts";

/** Owns everything that lives as long as the window's extension host, and says what depends on what. */
export class Ctx implements vscode.Disposable {
  readonly choices = new UserChoices();
  readonly throughput = new Throughput();
  readonly journal: Journal;
  readonly engine: EngineAccess;
  readonly completions: InlineCompletions;
  readonly pause: Pause;
  readonly panel: StatisticsPanel;
  readonly selection: ModelSelection;
  readonly memory: MemoryNeed;
  private readonly speeds: MeasuredSpeeds;
  private readonly subscriptions: vscode.Disposable[];
  private servedModel: string | undefined;
  /** The model that was chosen, where it is to run in this machine's memory. */
  private chosenPath: string | undefined;

  constructor(private readonly context: vscode.ExtensionContext) {
    const { l10n, workspace } = vscode;
    const storageFolder = context.globalStorageUri.fsPath;
    this.journal = new Journal(storageFolder);
    const log = (line: string) => this.journal.info(line);
    this.memory = new MemoryNeed({ need: memoryNeed, free: freeMemory, log, l10n });
    const client = new EngineClient({
      engineScript: join(context.extensionPath, "dist", "engine.js"),
      storageFolder,
      runtime: () => ({
        setting: this.choices.node,
        workspaceFolders: folderPaths(),
        trusted: workspace.isTrusted,
      }),
      log: this.journal,
      memoryOf: (modelPath) => this.memory.sentence(modelPath),
      l10n,
    });
    const { journal, choices } = this;
    const sink: TraceSink = {
      get level() {
        return choices.trace;
      },
      line: (message) => journal.info(message),
      text: (message) => journal.text(message),
    };
    this.engine = tracedEngine(meteredEngine(client, this.throughput), sink);
    this.speeds = new MeasuredSpeeds(context.globalState);
    this.completions = new InlineCompletions(this.engine);
    this.pause = new Pause(this.choices, (reason) => {
      this.completions.isPaused = reason === "battery";
    });
    const load = this.firstLoad();
    this.selection = {
      settings: {
        get model() {
          return choices.model;
        },
        get folders() {
          return choices.folders;
        },
        addFolder: (path) => choices.addFolder(path),
        // A model that was chosen before and is only now on the disk changes no setting.
        choose: async (model) => {
          await choices.choose(model);
          await this.configure();
          load();
        },
      },
      downloads: new ModelDownloads({ mirror: () => this.choices.mirror, log, l10n }),
      speeds: this.speeds,
      l10n,
    };
    this.panel = new StatisticsPanel({
      engine: this.engine,
      throughput: this.throughput,
      suggestions: this.suggestions(),
      extensionUri: context.extensionUri,
      l10n,
    });
    const generation = {
      engine: this.engine,
      memory: context.globalState,
      l10n,
      setUp: () => this.setUp(),
    };
    const { window } = vscode;
    const notify = this.notices();
    this.subscriptions = [
      this.journal,
      client,
      this.completions,
      this.pause,
      this.panel,
      new StatusBar(this.engine, this.throughput, this.pause, this.memory, () => this.otherProvider, l10n),
      new GenerateCommands(generation),
      registerCommands(this),
      new EditorContext(),
      this.engine.onState((state) => this.follow(state)),
      this.engine.onState(notify),
      window.onDidChangeWindowState(notify),
      workspace.onDidChangeConfiguration((event) => {
        if (this.choices.concerns(event)) void this.configure().then(load);
      }),
      workspace.onDidGrantWorkspaceTrust(() => void this.configure().then(load)),
      window.onDidChangeActiveTextEditor(load),
      window.onDidChangeVisibleTextEditors(load),
      window.onDidChangeWindowState(load),
      this.pause.onDidChange(load),
    ];
    this.follow(this.engine.state);
    const configured = this.configure();
    void configured
      .then((hasModel) => (hasModel ? undefined : offerSetUp(this.selection, context.globalState)))
      .catch((error: unknown) => tellFailure(error));
    void Promise.all([configured, this.pause.checked]).then(load);
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  /** Another extension that suggests inline in this window; undefined where there is none. */
  get otherProvider(): OtherProvider | undefined {
    return activeProvider({
      isActive: (id) => vscode.extensions.getExtension(id)?.isActive ?? false,
      setting: (key) => vscode.workspace.getConfiguration().get<unknown>(key),
    });
  }

  /** `Set Up`: the list of `Select Model`, whose first entry is what is best here. */
  async setUp(): Promise<boolean> {
    return await selectModel(this.selection);
  }

  async copyDiagnostics(): Promise<void> {
    await copyDiagnostics({
      engine: this.engine,
      extension: this.context.extension,
      errors: () => this.journal.errors,
      logLines: () => this.journal.lastLines(),
      l10n: vscode.l10n,
    });
  }

  /** Tells the engine what the user chose, and says whether that is a model: one that is gone is as good as none. */
  private async configure(): Promise<boolean> {
    const configuration = await this.choices.engineConfiguration(this.journal);
    const hasModel = configuration.modelPath !== undefined;
    this.chosenPath = configuration.device === "gpu" ? undefined : configuration.modelPath;
    void setContext("hasModel", hasModel);
    this.engine.configure(configuration);
    return hasModel;
  }

  /** To be called where there may be a document now for which the model is to be loaded. */
  private firstLoad(): () => void {
    let isBatteryKnown = false;
    void this.pause.checked.then(() => {
      isBatteryKnown = true;
    });
    const isWanted = () => isBatteryKnown && vscode.workspace.isTrusted && vscode.window.state.focused;
    const load = new FirstLoad({
      engine: this.engine,
      document: () => (isWanted() ? this.completions.lookedAt() : undefined),
    });
    return () => load.check();
  }

  /** To be called where the engine's state or the window's focus has changed. */
  private notices(): () => void {
    const { window, commands, l10n } = vscode;
    const run = (command: string, ...values: readonly unknown[]) => commands.executeCommand(command, ...values);
    const stopped = new StoppedNotice({
      state: () => this.engine.state,
      isFocused: () => window.state.focused,
      ask: (message, ...actions) => window.showErrorMessage(message, ...actions),
      run,
      l10n,
    });
    const suggests = () => this.engine.state.kind === "ready" && this.pause.reason !== "disabled";
    const other = {
      provider: () => (window.state.focused && suggests() ? this.otherProvider : undefined),
      memory: this.context.globalState,
      ask: (message: string, ...actions: string[]) => window.showInformationMessage(message, ...actions),
      run,
      l10n,
    };
    return () => {
      void stopped.check();
      void noticeProvider(other);
    };
  }

  private follow(state: ConnectionState): void {
    void setContext("ready", state.kind === "ready");
    this.speeds.note(state);
    this.memory.note(state, this.chosenPath);
    if (state.kind === "failed" || state.kind === "stopped") this.journal.error(state.message);
    if (state.kind !== "ready") return;
    const served = writerOf(state.model);
    if (this.servedModel !== undefined && served !== this.servedModel) this.throughput.clear();
    this.servedModel = served;
  }

  private suggestions() {
    const { acceptance, onCounts } = this.completions;
    return {
      get counts() {
        return acceptance.counts;
      },
      onChange: (listener: () => void) => onCounts(listener),
      reset: () => acceptance.reset(),
    };
  }
}

function setContext(key: "hasModel" | "ready", value: boolean): Thenable<unknown> {
  return vscode.commands.executeCommand("setContext", `jakiro.${key}`, value);
}
