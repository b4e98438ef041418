import * as vscode from "vscode";
import { withoutHomePaths } from "../engine/privatePaths.ts";
import { EngineLogFile, type LogSink } from "./engineLog.ts";

interface ErrorRecord {
  readonly at: Date;
  readonly message: string;
}

const keptErrors = 20;
const keptLines = 200;

/** The log of this window, which `Show Log` opens, with what the engine process printed. No paths below the home folder. */
export class Journal implements LogSink, vscode.Disposable {
  private readonly channel = vscode.window.createOutputChannel("Jakiro", { log: true });
  private readonly engineLog: EngineLogFile;
  private readonly records: ErrorRecord[] = [];
  private readonly lines: string[] = [];
  private shownBytes: number | undefined;

  constructor(storageFolder: string) {
    this.engineLog = new EngineLogFile(storageFolder);
  }

  info(message: string): void {
    this.channel.info(this.noted(message));
  }

  /** What holds text of documents: shown to the user, and no part of diagnostics. */
  text(message: string): void {
    this.channel.info(message);
  }

  trace(message: string): void {
    this.channel.trace(withoutHomePaths(message));
  }

  /** A background failure: it belongs here and in the status item, not in the user's face. */
  error(message: string): void {
    const cleaned = this.noted(message);
    if (this.records.at(-1)?.message === cleaned) return;
    this.records.push({ at: new Date(), message: cleaned });
    if (this.records.length > keptErrors) this.records.shift();
    this.channel.error(cleaned);
  }

  /** Oldest first. */
  get errors(): readonly ErrorRecord[] {
    return this.records;
  }

  /** This window's last lines, then the engine's. */
  async lastLines(): Promise<readonly string[]> {
    const { lines } = await this.engineLog.linesFrom(0);
    return [...this.lines, ...lines.map((line) => withoutHomePaths(line))].slice(-keptLines);
  }

  /** Opens the log; what the engine printed since it was last shown comes at its end. */
  async show(): Promise<void> {
    const { lines, end } = await this.engineLog.linesFrom(this.shownBytes ?? 0);
    this.shownBytes = end;
    for (const line of lines) this.channel.info(`[engine] ${withoutHomePaths(line)}`);
    this.channel.show();
  }

  dispose(): void {
    this.channel.dispose();
  }

  private noted(message: string): string {
    const cleaned = withoutHomePaths(message);
    this.lines.push(cleaned);
    if (this.lines.length > keptLines) this.lines.shift();
    return cleaned;
  }
}
