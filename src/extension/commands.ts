import * as vscode from "vscode";
import type { Ctx } from "./ctx.ts";
import { manageModels } from "./manageModels.ts";
import type { MenuFacts } from "./menuItems.ts";
import { showQuickMenu } from "./quickMenu.ts";
import { selectModel } from "./selectModel.ts";
import { apply, tellFailure } from "./tell.ts";

/** The commands of the manifest that no other part registers itself. */
export function registerCommands(ctx: Ctx): vscode.Disposable {
  const { l10n } = vscode;
  const commands: Readonly<Record<string, () => unknown>> = {
    completeHere: () =>
      ctx.engine.state.kind === "noModel"
        ? ctx.setUp()
        : vscode.commands.executeCommand("editor.action.inlineSuggest.trigger"),
    toggle: () => toggle("enabled", (value) => value === false),
    toggleLanguage: () => toggleLanguage(),
    setUp: () => ctx.setUp(),
    selectModel: () => selectModel(ctx.selection),
    manageModels: () => manageModels({ current: () => ctx.choices.model, log: (line) => ctx.journal.info(line), l10n }),
    openStatistics: () => ctx.panel.show(),
    restartEngine: () => ctx.engine.restart(),
    releaseMemory: () => ctx.engine.release(),
    whyNoSuggestion: () => whyNoSuggestion(ctx),
    copyDiagnostics: () => ctx.copyDiagnostics(),
    showLog: () => ctx.journal.show(),
    menu: () => showQuickMenu(menuFacts(ctx), l10n),
  };
  const registered = Object.entries(commands).map(([name, run]) =>
    vscode.commands.registerCommand(`jakiro.${name}`, () => told(run)),
  );
  return vscode.Disposable.from(...registered);
}

function menuFacts({ engine, pause, memory, otherProvider }: Ctx): MenuFacts {
  const memoryShort = memory.shortage !== undefined;
  return { engine: engine.state, enabled: pause.reason !== "disabled", memoryShort, other: otherProvider };
}

/** A command that the user gave and that failed says why. */
async function told(run: () => unknown): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (error instanceof vscode.CancellationError) return;
    void tellFailure(error);
  }
}

/** Changes a setting where it is in force, so that the change has an effect. */
async function toggle(key: string, next: (value: unknown) => unknown): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  const configuration = vscode.workspace.getConfiguration("jakiro", document);
  const { workspaceFolderValue, workspaceValue } = configuration.inspect(key) ?? {};
  const target =
    workspaceFolderValue !== undefined
      ? vscode.ConfigurationTarget.WorkspaceFolder
      : workspaceValue !== undefined
        ? vscode.ConfigurationTarget.Workspace
        : vscode.ConfigurationTarget.Global;
  await configuration.update(key, next(configuration.get(key)), target);
}

async function toggleLanguage(): Promise<void> {
  const languageId = vscode.window.activeTextEditor?.document.languageId;
  if (languageId === undefined) return;
  await toggle("enabledLanguages", (value) => {
    const languages = { ...(value as Readonly<Record<string, boolean>> | undefined) };
    return { ...languages, [languageId]: !(languages[languageId] ?? languages["*"] ?? true) };
  });
}

async function whyNoSuggestion({ completions, engine, otherProvider }: Ctx): Promise<void> {
  const editorSuggests = vscode.workspace.getConfiguration("editor").get<boolean>("inlineSuggest.enabled", true);
  const circumstances = { editorSuggests, engine: engine.state, other: otherProvider };
  const { sentence, remedy } = completions.log.explain(vscode.l10n, circumstances);
  const actions = remedy === undefined ? [] : [remedy.title];
  const chosen = await vscode.window.showInformationMessage(sentence, ...actions);
  if (remedy !== undefined && chosen === remedy.title) await apply(remedy);
}
