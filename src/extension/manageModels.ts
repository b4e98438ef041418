import * as vscode from "vscode";
import { type DiskItem, diskUse, removeFiles } from "../engine/model/diskUse.ts";
import { diskItemText, totalText } from "./diskText.ts";
import type { Localizer } from "./localizer.ts";
import { tellFailure } from "./tell.ts";

export interface ModelManagement {
  /** jakiro.model, to say what removing the model in use means. */
  readonly current: () => string;
  log(line: string): void;
  readonly l10n: Localizer;
}

interface Entry extends vscode.QuickPickItem {
  readonly item: DiskItem;
}

/** `Jakiro: Manage Models`: what Jakiro keeps on the disk, each of which can be removed. Stays until it is closed. */
export async function manageModels(management: ModelManagement): Promise<void> {
  const { l10n, current } = management;
  for (;;) {
    const items = await diskUse();
    if (items.length === 0) {
      void vscode.window.showInformationMessage(l10n.t("Jakiro keeps no model files on this machine."));
      return;
    }
    const entries = items.map((item): Entry => ({ item, ...diskItemText(item, current(), l10n) }));
    const picked = await vscode.window.showQuickPick(entries, {
      title: totalText(items, l10n),
      placeHolder: l10n.t("Choose what to remove"),
      matchOnDescription: true,
    });
    if (picked === undefined) return;
    await remove(picked, management);
  }
}

async function remove({ item, label, detail }: Entry, { l10n, log }: ModelManagement): Promise<void> {
  const action = l10n.t("Remove");
  const question = l10n.t("Remove {0}?", label);
  const options = { modal: true, ...(detail === undefined ? {} : { detail }) };
  if ((await vscode.window.showWarningMessage(question, options, action)) !== action) return;
  const title = l10n.t("Removing {0}", label);
  await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    async (_, token) => {
      const cancelled = new AbortController();
      const subscription = token.onCancellationRequested(() => cancelled.abort(new vscode.CancellationError()));
      try {
        await removeFiles(item.model, item.paths, {
          signal: cancelled.signal,
          onRemoved: (path) => log(`Removed ${path}`),
        });
      } catch (error) {
        if (!(error instanceof vscode.CancellationError)) void tellFailure(error);
      } finally {
        subscription.dispose();
      }
    },
  );
}
