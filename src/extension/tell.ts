import * as vscode from "vscode";
import { failureText } from "./engineWords.ts";
import { type Remedy, remedyOf } from "./remedies.ts";

/** Tells of a failure, with what helps against it and `again` as buttons; gives whether that one was clicked. */
export async function tellFailure(error: unknown, again?: string): Promise<boolean> {
  const remedy = remedyOf(error, vscode.l10n);
  const actions = [again, remedy?.title].filter((title) => title !== undefined);
  const chosen = await vscode.window.showErrorMessage(failureText(error), ...actions);
  if (remedy !== undefined && chosen === remedy.title) await apply(remedy);
  return again !== undefined && chosen === again;
}

/** Does what helps. */
export function apply({ command, arguments: values = [] }: Remedy): Thenable<unknown> {
  return vscode.commands.executeCommand(command, ...values);
}
