import * as vscode from "vscode";
import { instructionsFor } from "./generateHistory.ts";
import type { Localizer } from "./localizer.ts";

/** Asks for an instruction, with earlier ones to choose from; undefined where the user left. */
export function askInstruction(
  history: readonly string[],
  l10n: Localizer,
  { selection, value = "" }: { readonly selection: boolean; readonly value?: string },
): Promise<string | undefined> {
  const input = vscode.window.createQuickPick();
  input.title = selection ? l10n.t("Rewrite the selected code") : l10n.t("Write code at the cursor");
  input.placeholder = l10n.t("What is the code to do?");
  const offer = () => {
    input.items = instructionsFor(input.value, history).map((label) => ({ label, alwaysShow: true }));
  };
  input.value = value;
  offer();
  return new Promise((resolve) => {
    input.onDidChangeValue(offer);
    input.onDidAccept(() => {
      // Enter may come before the list has what was typed last: its first line stands for that.
      const [active] = input.activeItems;
      const isEarlier = active !== undefined && input.items.indexOf(active) > 0;
      resolve(isEarlier ? active.label : input.value.trim() || active?.label);
      input.hide();
    });
    input.onDidHide(() => {
      resolve(undefined);
      input.dispose();
    });
    input.show();
  });
}
