import * as vscode from "vscode";
import { huggingFaceEndpoint } from "../engine/model/fetchSources.ts";
import { firstRun } from "./firstRun.ts";
import type { Memory } from "./measuredSpeeds.ts";
import { downloadAddress } from "./modelText.ts";
import { findChoices, type ModelSelection, selectModel, useChoice } from "./selectModel.ts";

/** Offers to set up where there is no model: once, and in one notification. Later the status item leads there. */
export async function offerSetUp(selection: ModelSelection, memory: Memory): Promise<void> {
  await firstRun(
    {
      choices: () => findChoices(selection),
      ask: (message, ...actions) => vscode.window.showInformationMessage(message, ...actions),
      use: (choice, agreed) => useChoice(choice, agreed, selection),
      selectModel: () => selectModel(selection),
    },
    memory,
    hostOf(selection),
    selection.l10n,
  );
}

/** A mirror that cannot be one is complained about when something is to be downloaded. */
function hostOf({ downloads, l10n }: ModelSelection): string {
  try {
    return downloads.address.host;
  } catch {
    return downloadAddress("", huggingFaceEndpoint, l10n).host;
  }
}
