import { arch, availableParallelism, cpus, freemem, homedir, platform, release, totalmem } from "node:os";
import * as vscode from "vscode";
import { diagnosticsText } from "./diagnosticsText.ts";
import type { EngineAccess } from "./engine.ts";
import type { Localizer } from "./localizer.ts";
import { sizeText } from "./numberText.ts";

export interface DiagnosticSources {
  readonly engine: Pick<EngineAccess, "state" | "diagnose">;
  readonly extension: vscode.Extension<unknown>;
  /** Latest last. */
  readonly errors: () => readonly { readonly at: Date; readonly message: string }[];
  /** The log's last lines, latest last; it holds no document text. */
  readonly logLines: () => Promise<readonly string[]>;
  readonly l10n: Localizer;
}

/** A stuck engine is a reason for a report, not an obstacle to it. */
const diagnosisMs = 5000;

/** `Jakiro: Copy Diagnostics`. */
export async function copyDiagnostics(sources: DiagnosticSources): Promise<void> {
  const { engine, extension, errors, logLines, l10n } = sources;
  const text = diagnosticsText({
    versions: versions(extension),
    machine: machine(),
    settings: changedSettings(extension),
    engine: engine.state,
    diagnosis: await answerWithin(engine.diagnose(), diagnosisMs),
    errors: errors(),
    logLines: await logLines().catch(() => []),
    homes: [homedir()],
  });
  await vscode.env.clipboard.writeText(text);
  void vscode.window.showInformationMessage(
    l10n.t("Jakiro's diagnostics are in the clipboard; they hold no code, and of your files none but the model's."),
  );
}

function versions(extension: vscode.Extension<unknown>): Record<string, string> {
  const { version = "unknown" } = extension.packageJSON as { readonly version?: string };
  return {
    Jakiro: version,
    editor: `${vscode.env.appName} ${vscode.version}`,
    Node: process.version,
    "runs in": vscode.env.remoteName === undefined ? "the local extension host" : `remote ${vscode.env.remoteName}`,
  };
}

function machine(): Record<string, string> {
  return {
    system: `${platform()} ${release()} ${arch()}`,
    processor: `${cpus()[0]?.model.trim() ?? "unknown"}, ${availableParallelism()} threads`,
    memory: `${sizeText(totalmem())}, ${sizeText(freemem())} free`,
  };
}

/** What the user set; workspaces cannot set anything that matters here, and their values are not read. */
function changedSettings(extension: vscode.Extension<unknown>): Record<string, unknown> {
  const { contributes } = extension.packageJSON as { readonly contributes?: { readonly configuration?: unknown } };
  const parts = [contributes?.configuration ?? []].flat() as { readonly properties?: object }[];
  const configuration = vscode.workspace.getConfiguration();
  const keys = parts.flatMap(({ properties = {} }) => Object.keys(properties));
  const changed = keys.map((key) => [key, configuration.inspect(key)?.globalValue] as const);
  return Object.fromEntries(changed.filter(([, value]) => value !== undefined));
}

async function answerWithin<Value>(answer: Promise<Value | undefined>, ms: number): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const nothing = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([answer, nothing]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
