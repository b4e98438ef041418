import * as vscode from "vscode";
import type { ModelDownloads } from "./downloadModel.ts";
import type { Localizer } from "./localizer.ts";
import { type ModelChoice, modelChoices } from "./modelChoices.ts";
import { takeInventory } from "./modelInventory.ts";
import { choiceText } from "./modelText.ts";

/** The user's settings that concern models, all of application scope. */
export interface ModelSettings {
  /** jakiro.model: a catalogue name or a path; "" while nothing was chosen. */
  readonly model: string;
  /** jakiro.models.folders. */
  readonly folders: readonly string[];
  choose(model: string): Thenable<void>;
  addFolder(path: string): Thenable<void>;
}

export interface ModelSelection {
  readonly settings: ModelSettings;
  readonly downloads: ModelDownloads;
  /** Plain tokens per second by model name. */
  readonly speeds: { readonly all: Readonly<Record<string, number>> };
  readonly l10n: Localizer;
}

/** All models there are to choose from on this machine, best first. */
export async function findChoices({ settings, speeds }: ModelSelection): Promise<ModelChoice[]> {
  const { model, folders } = settings;
  return modelChoices(await takeInventory({ added: folders, speeds: speeds.all, current: model }));
}

/** Makes a choice the model; gives whether that happened. `agreed`: the user already agreed to its download. */
export async function useChoice(choice: ModelChoice, agreed: boolean, selection: ModelSelection): Promise<boolean> {
  const { settings, downloads, l10n } = selection;
  if (choice.fault !== undefined) {
    const others = l10n.t("Other Models…");
    const answer = await vscode.window.showErrorMessage(choice.fault, others);
    return answer === others ? await selectModel(selection) : false;
  }
  const { model } = choice;
  if (model !== undefined && choice.where !== "installed" && !(await downloads.obtain(model, agreed))) return false;
  await settings.choose(choice.id);
  return true;
}

/** `Jakiro: Select Model`; gives whether one was chosen. */
export async function selectModel(selection: ModelSelection): Promise<boolean> {
  const picked = await pickChoice(selection);
  if (picked === undefined) return false;
  if (picked === "addFile") return await addFile(selection);
  if (picked === "addFolder") return await addFolder(selection);
  return await useChoice(picked, false, selection);
}

type Picked = ModelChoice | "addFile" | "addFolder" | undefined;

interface ChoiceItem extends vscode.QuickPickItem {
  readonly choice: Picked;
}

async function pickChoice(selection: ModelSelection): Promise<Picked> {
  const { l10n } = selection;
  const item = await vscode.window.showQuickPick(choiceItems(selection), {
    title: l10n.t("Select Model"),
    placeHolder: l10n.t("The model that suggests code"),
    matchOnDetail: true,
  });
  return item?.choice;
}

async function choiceItems(selection: ModelSelection): Promise<ChoiceItem[]> {
  const { l10n } = selection;
  const choices = await findChoices(selection);
  const item = (choice: ModelChoice): ChoiceItem => ({ ...choiceText(choice, l10n), choice });
  const separator = (label: string): ChoiceItem => ({
    label,
    kind: vscode.QuickPickItemKind.Separator,
    choice: undefined,
  });
  const faulty = choices.filter(({ fault }) => fault !== undefined);
  return [
    ...choices.filter(({ fault }) => fault === undefined).map(item),
    separator(l10n.t("more")),
    { label: l10n.t("$(file-add) Choose a Model File…"), choice: "addFile" },
    { label: l10n.t("$(folder-opened) Look in Another Folder…"), choice: "addFolder" },
    ...(faulty.length === 0 ? [] : [separator(l10n.t("found, but of no use here")), ...faulty.map(item)]),
  ];
}

async function addFile(selection: ModelSelection): Promise<boolean> {
  const { l10n, settings } = selection;
  const [file] = (await vscode.window.showOpenDialog({ filters: { [l10n.t("Models")]: ["gguf"] } })) ?? [];
  if (file === undefined) return false;
  const inventory = await takeInventory({ added: [file.fsPath], speeds: {}, current: settings.model, places: [] });
  const choice = modelChoices(inventory).find(({ id }) => id === file.fsPath);
  return choice === undefined ? false : await useChoice(choice, false, selection);
}

async function addFolder(selection: ModelSelection): Promise<boolean> {
  const options = { canSelectFolders: true, canSelectFiles: false };
  const [folder] = (await vscode.window.showOpenDialog(options)) ?? [];
  if (folder === undefined) return false;
  await selection.settings.addFolder(folder.fsPath);
  return await selectModel(selection);
}
