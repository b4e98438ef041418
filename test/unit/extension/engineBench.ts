import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Clock } from "../../../src/extension/clock.ts";
import { EngineClient, type EngineClientOptions } from "../../../src/extension/engineClient.ts";
import { type Rendezvous, rendezvousOf } from "../../../src/protocol/rendezvous.ts";
import { english } from "./localizer.ts";

/** How the processes that are started next behave: see fakeEngineProcess.mjs. */
export type Mode = "serve" | "fresh" | "refuse" | "silent" | "stubborn";

export interface JournalEntry {
  readonly pid: number;
  readonly event: string;
  readonly params?: unknown;
  readonly folder?: string;
  readonly variables?: readonly string[];
}

/** Tests run from the repository root. */
const script = resolve("test/unit/extension/fakeEngineProcess.mjs");

/** A place of its own where windows meet fake engine processes. */
export class EngineBench {
  readonly folder = mkdtempSync(join(tmpdir(), "jk-"));
  readonly storage = join(this.folder, "storage");
  readonly place: Rendezvous;
  /** What back-offs slept, in milliseconds; none takes time. */
  readonly pausesMs: number[] = [];
  readonly logged: string[] = [];
  private readonly clients: EngineClient[] = [];
  private readonly clock: Clock = {
    now: () => 0,
    after: (ms, action) => {
      this.pausesMs.push(ms);
      const soon = setImmediate(action);
      return () => clearImmediate(soon);
    },
  };

  constructor() {
    const build = createHash("sha256").update(readFileSync(script)).digest("hex");
    this.place = rendezvousOf(build, { runtimeFolder: this.folder });
    mkdirSync(this.place.folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(this.folder, "place.json"), JSON.stringify(this.place));
    this.behave("serve");
  }

  behave(mode: Mode): void {
    writeFileSync(join(this.folder, "mode"), mode);
  }

  /** A shell script that passes for a Node. */
  impostor(lines: string): string {
    const path = join(this.folder, "impostor");
    writeFileSync(path, `#!/bin/sh\n[ "$1" = --version ] && echo v22.0.0\n${lines}\n`, { mode: 0o755 });
    return path;
  }

  /** A window. */
  client(options: Partial<EngineClientOptions> = {}): EngineClient {
    const client = new EngineClient({
      engineScript: script,
      storageFolder: this.storage,
      runtime: () => ({ setting: process.execPath, workspaceFolders: [], trusted: true }),
      log: { info: (line) => this.logged.push(line), trace: () => undefined },
      environment: {
        ...process.env,
        XDG_RUNTIME_DIR: this.folder,
        FAKE_ENGINE: this.folder,
        VSCODE_PID: "1",
        NODE_OPTIONS: "--no-such-option",
      },
      clock: this.clock,
      l10n: english,
      ...options,
    });
    this.clients.push(client);
    return client;
  }

  /** What the processes did, as far as they have come. */
  journal(event?: string): readonly JournalEntry[] {
    const path = join(this.folder, "journal");
    const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
    const entries = lines.map((line) => JSON.parse(line) as JournalEntry);
    return entries.filter((entry) => event === undefined || entry.event === event);
  }

  /** The events of one process, but for the completions it was asked for. */
  deedsOf(pid: number | undefined): readonly string[] {
    const own = this.journal().filter((entry) => entry.pid === pid);
    return own.map(({ event }) => event).filter((event) => event !== "complete");
  }

  /** Process ids of those that run. */
  running(): readonly number[] {
    const started = this.journal("started").map(({ pid }) => pid);
    return started.filter(isRunning);
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.dispose();
    for (const pid of this.running()) process.kill(pid, "SIGKILL");
    await until(() => this.running().length === 0);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Waits for what other processes do. */
export async function until(holds: () => boolean, longestMs = 30_000): Promise<void> {
  const deadline = performance.now() + longestMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`It never came about: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
