import type { Localizer } from "./localizer.ts";
import type { Memory } from "./measuredSpeeds.ts";
import type { Remedy } from "./remedies.ts";

/** Another extension that suggests code inline. */
export interface OtherProvider {
  readonly id: string;
  readonly name: string;
  /** The setting that switches its suggestions, where it is known: a boolean, or booleans by language with "*" for all others. */
  readonly setting?: string;
}

/** Extensions that suggest code inline by themselves as soon as they are active. */
export const otherProviders: readonly OtherProvider[] = [
  { id: "GitHub.copilot", name: "GitHub Copilot", setting: "github.copilot.enable" },
  { id: "GitHub.copilot-chat", name: "GitHub Copilot", setting: "github.copilot.enable" },
  { id: "Codeium.codeium", name: "Codeium" },
  { id: "TabNine.tabnine-vscode", name: "Tabnine" },
  { id: "Supermaven.supermaven", name: "Supermaven" },
  { id: "Continue.continue", name: "Continue", setting: "continue.enableTabAutocomplete" },
  { id: "ggml-org.llama-vscode", name: "llama-vscode", setting: "llama-vscode.enabled" },
  { id: "amazonwebservices.amazon-q-vscode", name: "Amazon Q" },
  { id: "google.geminicodeassist", name: "Gemini Code Assist" },
  { id: "tabbyml.vscode-tabby", name: "Tabby" },
  { id: "rjmacarthy.twinny", name: "Twinny", setting: "twinny.enabled" },
];

/** What is known of the editor's other extensions. */
export interface Extensions {
  isActive(id: string): boolean;
  /** A setting's value; undefined where nobody has it. */
  setting(key: string): unknown;
}

/** The first of the known extensions that suggests inline here beside Jakiro; undefined where none does. */
export function activeProvider({ isActive, setting }: Extensions): OtherProvider | undefined {
  return otherProviders.find(
    (provider) => isActive(provider.id) && (provider.setting === undefined || isOn(setting(provider.setting))),
  );
}

function isOn(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return value !== false;
  const languages: Readonly<Record<string, unknown>> = { ...value };
  return languages["*"] !== false || Object.values(languages).includes(true);
}

/** What two providers mean for the user, as a sentence. */
export function providerText({ name }: OtherProvider, l10n: Localizer): string {
  return l10n.t("{0} suggests code inline too: the editor may show its suggestions in place of Jakiro's.", name);
}

/** Shows the other extension, where it can be switched off. */
export function providerRemedy({ id, name }: OtherProvider, l10n: Localizer): Remedy {
  return { title: l10n.t("Show {0}", name), command: "workbench.extensions.search", arguments: [`@id:${id}`] };
}

/** What the notice needs from the editor. */
export interface ProviderNoticeParts {
  readonly provider: () => OtherProvider | undefined;
  readonly memory: Memory;
  /** Shows one notification; gives the action that was clicked, undefined where it was closed. */
  readonly ask: (message: string, ...actions: string[]) => Thenable<string | undefined>;
  readonly run: (command: string, ...values: readonly unknown[]) => Thenable<unknown>;
  readonly l10n: Localizer;
}

const noticedKey = "jakiro.otherProvider.noticed";

/** Tells of another provider, once for each user and whatever the answer is: later the status item says so. */
export async function noticeProvider({ provider, memory, ask, run, l10n }: ProviderNoticeParts): Promise<void> {
  if (memory.get<boolean>(noticedKey)) return;
  const other = provider();
  if (other === undefined) return;
  const noted = memory.update(noticedKey, true);
  const remedy = providerRemedy(other, l10n);
  const answer = await ask(providerText(other, l10n), remedy.title);
  await noted;
  if (answer === remedy.title) await run(remedy.command, ...(remedy.arguments ?? []));
}
