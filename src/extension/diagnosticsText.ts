import { withoutCredentials, withoutHomePaths } from "../engine/privatePaths.ts";
import type { ConnectionState } from "./engine.ts";

/** What a report of a fault needs, and nothing of what somebody works on. */
export interface DiagnosticFacts {
  /** By program. */
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: Readonly<Record<string, string>>;
  /** Settings that differ from their defaults, by key. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly engine: ConnectionState;
  /** The engine's own diagnosis; undefined where it did not answer. */
  readonly diagnosis: Readonly<Record<string, unknown>> | undefined;
  /** Latest last. */
  readonly errors: readonly { readonly at: Date; readonly message: string }[];
  /** Latest last. */
  readonly logLines: readonly string[];
  /** Home directories whose paths are to be left out. */
  readonly homes: readonly string[];
}

const keptErrors = 10;
const keptLogLines = 60;

/** The report as Markdown, ready to be pasted into an issue. */
export function diagnosticsText(facts: DiagnosticFacts): string {
  const { versions, machine, settings, engine, diagnosis, errors, logLines, homes } = facts;
  const sections = [
    ["Versions", list(versions)],
    ["Machine", list(machine)],
    ["Settings that differ from the defaults", list(settings)],
    ["Engine", json(engine)],
    ["Engine's diagnosis", diagnosis === undefined ? "It did not answer." : json(diagnosis)],
    ["Last errors", lines(errors.slice(-keptErrors).map(({ at, message }) => `${at.toISOString()} ${message}`))],
    ["Last log lines", lines(logLines.slice(-keptLogLines))],
  ];
  const text = sections.map(([title, body]) => `### ${title}\n\n${body}\n`).join("\n");
  return withoutCredentials(withoutHomePaths(text, homes));
}

function list(values: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(values);
  return entries.length === 0
    ? "none"
    : entries
        .map(([key, value]) => `- ${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
        .join("\n");
}

function json(value: unknown): string {
  return fenced("json", JSON.stringify(value, null, 2));
}

function lines(texts: readonly string[]): string {
  return texts.length === 0 ? "none" : fenced("text", texts.join("\n"));
}

function fenced(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\``;
}
