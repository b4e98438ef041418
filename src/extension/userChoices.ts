import { isDeepStrictEqual } from "node:util";
import * as vscode from "vscode";
import { locateModel } from "../engine/model/installed.ts";
import { type Device, type EngineConfiguration, longestIdleMinutes } from "../protocol/messages.ts";
import type { LogSink } from "./engineLog.ts";
import { failureText } from "./engineWords.ts";
import { RemediableError } from "./remedies.ts";
import type { TraceLevel } from "./requestTrace.ts";
import type { ModelSettings } from "./selectModel.ts";

/**
 * Settings that the engine process depends on. All have application scope: no workspace and no remote can set them. The Node
 * that runs it is asked for at each start, which a stopped engine is waiting for.
 */
const engineKeys = ["model", "head", "device", "gpuAdapter", "engine.idleMinutes", "engine.node"];

const defaultIdleMinutes = 10;

/** What the user chose for all windows: the model, where it runs, where models come from. */
export class UserChoices implements ModelSettings {
  get model(): string {
    return textOf("model");
  }

  get folders(): readonly string[] {
    const folders = settings().get<unknown>("models.folders");
    return Array.isArray(folders) ? folders.filter((folder) => typeof folder === "string") : [];
  }

  get mirror(): string {
    return textOf("models.mirror");
  }

  /** The Node executable that is to run the engine; undefined for the one inside the extension. */
  get node(): string | undefined {
    return textOf("engine.node") || undefined;
  }

  /** What the log holds of requests. */
  get trace(): TraceLevel {
    const level = textOf("trace");
    return level === "requests" || level === "text" ? level : "off";
  }

  get pausesOnBattery(): boolean {
    return settings().get<unknown>("pauseOnBattery") !== false;
  }

  choose(model: string): Promise<void> {
    return change("model", model);
  }

  addFolder(path: string): Promise<void> {
    return change("models.folders", [...new Set([...this.folders, path])]);
  }

  /** Whether the engine is to be told anew. */
  concerns(event: vscode.ConfigurationChangeEvent): boolean {
    return engineKeys.some((key) => event.affectsConfiguration(`jakiro.${key}`));
  }

  /** What the engine is to be told. One that is started in Restricted Mode runs with the model and the model's own head. */
  async engineConfiguration(log: Pick<LogSink, "info">): Promise<EngineConfiguration> {
    const restricted = !vscode.workspace.isTrusted;
    const head = restricted ? "" : textOf("head");
    const modelPath = await this.modelPath(log);
    const gpuAdapter = textOf("gpuAdapter");
    const minutes = settings().get<unknown>("engine.idleMinutes");
    return {
      device: deviceOf(settings().get<unknown>("device")),
      idleMinutes:
        typeof minutes === "number" && minutes >= 0 ? Math.min(minutes, longestIdleMinutes) : defaultIdleMinutes,
      ...(modelPath === undefined ? {} : { modelPath }),
      ...(head === "" ? {} : { head }),
      ...(restricted ? { restricted } : {}),
      ...(gpuAdapter === "" ? {} : { gpuAdapter }),
    };
  }

  private async modelPath(log: Pick<LogSink, "info">): Promise<string | undefined> {
    if (this.model === "") return undefined;
    try {
      return (await locateModel(this.model)).path;
    } catch (error) {
      log.info(failureText(error));
      return undefined;
    }
  }
}

function settings(): vscode.WorkspaceConfiguration {
  return vscode.workspace.getConfiguration("jakiro");
}

/** Throws a RemediableError where the change has no effect. */
async function change(key: string, value: unknown): Promise<void> {
  await settings().update(key, value, vscode.ConfigurationTarget.Global);
  if (isDeepStrictEqual(settings().get(key), value)) return;
  // Where a remote's file has the key, VS Code writes it there, though it reads such a setting from the user's file alone.
  const { l10n } = vscode;
  const message = l10n.t(
    "The change has no effect: the remote machine's settings file holds {0}, which counts in your own settings alone. Remove it there and choose again.",
    `jakiro.${key}`,
  );
  const command = "workbench.action.openRemoteSettingsFile";
  throw new RemediableError(message, { title: l10n.t("Open Remote Settings"), command });
}

function textOf(key: string): string {
  const value = settings().get<unknown>(key);
  return typeof value === "string" ? value.trim() : "";
}

function deviceOf(value: unknown): Device {
  return value === "cpu" || value === "gpu" ? value : "auto";
}
