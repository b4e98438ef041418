import * as vscode from "vscode";
import type { CatalogueModel } from "../engine/model/catalogue.ts";
import { defaultLimits } from "../engine/model/download.ts";
import { huggingFace, huggingFaceEndpoint, type ModelSource, obtainModel } from "../engine/model/fetchSources.ts";
import type { Progress } from "../engine/progress.ts";
import { failureText } from "./engineWords.ts";
import type { Localizer } from "./localizer.ts";
import { modelPlaces } from "./modelInventory.ts";
import { consentText, type DownloadAddress, downloadAddress } from "./modelText.ts";
import { percentText, sizeText } from "./numberText.ts";
import { tellFailure } from "./tell.ts";

export interface DownloadOptions {
  /** jakiro.models.mirror; "" for the hub. */
  mirror(): string;
  /** One line for the log; paths are shortened there. */
  log(line: string): void;
  readonly l10n: Localizer;
}

/** Brings catalogue models into the model folder: from another program's copy, or from the network once the user agreed. */
export class ModelDownloads {
  constructor(private readonly options: DownloadOptions) {}

  /** Where a download would come from; throws a RemediableError for a mirror that cannot be one. */
  get address(): DownloadAddress {
    return downloadAddress(this.options.mirror(), huggingFaceEndpoint, this.options.l10n);
  }

  /** Gives whether the model's file is there and right. `agreed`: the user already agreed to its download. */
  async obtain(model: CatalogueModel, agreed: boolean): Promise<boolean> {
    if (await this.takeOver(model)) return true;
    try {
      const address = this.address;
      if (!agreed && !(await this.askConsent(model, address))) return false;
      return await this.download(model, address);
    } catch (error) {
      void tellFailure(error);
      return false;
    }
  }

  /** A copy on this machine is used without asking: nothing leaves it. */
  private async takeOver(model: CatalogueModel): Promise<boolean> {
    try {
      await this.fetch(model, []);
      return true;
    } catch {
      return false;
    }
  }

  private async askConsent(model: CatalogueModel, { host }: DownloadAddress): Promise<boolean> {
    const { l10n } = this.options;
    const action = l10n.t("Download {0}", sizeText(model.bytes));
    const question = l10n.t("Download {0}?", model.name);
    const detail = consentText(model, host, l10n);
    return (await vscode.window.showInformationMessage(question, { modal: true, detail }, action)) === action;
  }

  private async download(model: CatalogueModel, { endpoint }: DownloadAddress): Promise<boolean> {
    const { l10n, log } = this.options;
    // Asked for by name each time: VS Code replaces the global by one that heeds its proxy and certificate settings.
    const source = huggingFace(defaultLimits, endpoint, (input, init) => globalThis.fetch(input, init));
    for (;;) {
      try {
        await this.fetch(model, [source]);
        return true;
      } catch (error) {
        if (error instanceof vscode.CancellationError) return false;
        log(`Download of ${model.name}: ${failureText(error)}`);
        if (!(await tellFailure(error, l10n.t("Try Again")))) return false;
      }
    }
  }

  /** Throws CancellationError where the user cancelled: what is there so far is kept, the next attempt goes on from it. */
  private async fetch(model: CatalogueModel, sources: readonly ModelSource[]): Promise<void> {
    const { l10n, log } = this.options;
    const local = sources.length === 0;
    await vscode.window.withProgress(
      {
        location: local ? vscode.ProgressLocation.Window : vscode.ProgressLocation.Notification,
        title: local ? l10n.t("Jakiro: looking for {0}", model.name) : l10n.t("Downloading {0}", model.name),
        cancellable: !local,
      },
      async (progress, token) => {
        const cancelled = new AbortController();
        const subscription = token.onCancellationRequested(() => cancelled.abort(new vscode.CancellationError()));
        try {
          const { how, from } = await obtainModel(model, {
            sources,
            // They were looked through before anybody was asked to agree to a download.
            places: local ? modelPlaces() : [],
            signal: cancelled.signal,
            onNote: log,
            onProgress: progressReporter(progress),
            advice: l10n.t("Check the network and try again, set a mirror, or choose a file that is on this machine."),
          });
          log(`${model.name}: ${how}${from === undefined ? "" : ` (${from})`}`);
        } finally {
          subscription.dispose();
        }
      },
    );
  }
}

/** VS Code adds up increments, and a message for every chunk would be thousands a second. */
function progressReporter(to: vscode.Progress<{ message?: string; increment?: number }>) {
  let shown = 0;
  return ({ done, total }: Progress) => {
    const whole = Math.floor((100 * done) / total);
    if (whole === shown) return;
    to.report({
      increment: whole - shown,
      message: `${percentText(done / total)} (${sizeText(done)} / ${sizeText(total)})`,
    });
    shown = whole;
  };
}
