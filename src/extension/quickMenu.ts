import * as vscode from "vscode";
import type { Localizer } from "./localizer.ts";
import { type MenuFacts, menuItems } from "./menuItems.ts";

/** `Jakiro: Menu`, which a click on the status item opens. */
export async function showQuickMenu(facts: MenuFacts, l10n: Localizer): Promise<void> {
  const picked = await vscode.window.showQuickPick(menuItems(facts, l10n), { title: "Jakiro" });
  if (picked !== undefined) await vscode.commands.executeCommand(picked.command, ...(picked.arguments ?? []));
}
