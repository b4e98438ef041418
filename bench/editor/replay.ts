import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Page } from "playwright-core";
import {
  createMessageConnection,
  type MessageConnection,
  SocketMessageReader,
  SocketMessageWriter,
} from "vscode-jsonrpc/node";
import { repository } from "../../test/workbench/repository.ts";
import { Workbench, type WorkbenchWindow } from "../../test/workbench/workbench.ts";
import { type HostDescription, type SeenInHost, witness } from "./messages.ts";
import { checkThatRefusalsCount, refusedConnections, writeNodeWithoutNetwork } from "./network.ts";
import { type SeenInPage, takeSeen, watch } from "./page.ts";
import { type Sitting, type TimedKey, textsAfterKeys } from "./person.ts";
import { placeOf } from "./typing.ts";

export interface ReplayOptions {
  readonly sittings: readonly Sitting[];
  /** A model's name or file, as in the setting. */
  readonly model: string;
  /** Bundle of witness.ts. */
  readonly witness: string;
  /** The engine gets no network, and what it tries to reach is counted; this process must be allowed to bring that about. */
  readonly isIsolated: boolean;
  readonly onSitting?: (done: number) => void;
}

export interface ReplayedSitting {
  readonly sitting: Sitting;
  readonly page: SeenInPage;
  readonly host: SeenInHost;
}

export interface Replay {
  readonly sittings: readonly ReplayedSitting[];
  readonly editor: HostDescription & { readonly browser: string };
  readonly connections: Connections;
}

/** Who wanted to speak to other machines. */
export interface Connections {
  /** Attempts of the engine process, native code included; undefined where it was not isolated. */
  readonly engine: number | undefined;
  /** Hosts that the extension host's process wanted to reach, whichever extension. */
  readonly extensionHost: readonly string[];
  /** Hosts that the window's page asked for: VS Code's own. */
  readonly page: readonly string[];
}

/** The list of suggestions may open, but takes nothing by itself: a replayed hand cannot look. */
const settings = { "editor.acceptSuggestionOnEnter": "off", "editor.acceptSuggestionOnCommitCharacter": false };

const startMs = 120_000;
/** A last suggestion may still come. */
const lastLookMs = 1000;

/**
 * Types the sittings into a real VS Code, each in a file of its own, with an engine of its own. Throws where the editor made
 * another text of the keys than was expected.
 */
export async function replay(options: ReplayOptions): Promise<Replay> {
  const { sittings, model, isIsolated, onSitting } = options;
  const scratch = mkdtempSync(join(tmpdir(), "jakiro-typing-"));
  const folder = join(scratch, "workspace");
  const socket = join(scratch, "witness.sock");
  const files = sittings.map(({ file, before, after }, index) => {
    const path = join(folder, String(index + 1), file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, before + after);
    return path;
  });
  const node = join(scratch, "node");
  if (isIsolated) {
    writeNodeWithoutNetwork(node);
    checkThatRefusalsCount(node);
  }
  const workbench = await Workbench.start({
    settings: { ...settings, "jakiro.model": model, ...(isIsolated ? { "jakiro.engine.node": node } : {}) },
    env: { XDG_RUNTIME_DIR: scratch, JAKIRO_BENCH_SOCKET: socket },
  });
  let engineProcess: number | undefined;
  try {
    const window = await workbench.open({ folder, extension: repository, tests: options.witness });
    const page = foreignHosts(window.page);
    const host = await meet(socket, window);
    const description = await host.sendRequest(witness.describe);
    engineProcess = description.engineProcess;
    await watch(window.page);
    const replayed: ReplayedSitting[] = [];
    for (const [index, sitting] of sittings.entries()) {
      onSitting?.(index);
      replayed.push(await replaySitting(sitting, files[index]!, host, window.page));
    }
    const connections = {
      engine: isIsolated ? refusedConnections(engineProcess) : undefined,
      extensionHost: await host.sendRequest(witness.connections),
      page: [...page],
    };
    await host.sendRequest(witness.end);
    const browser = `Chromium ${window.page.context().browser()!.version()}`;
    return { sittings: replayed, editor: { ...description, browser }, connections };
  } finally {
    await workbench.close();
    if (engineProcess !== undefined) process.kill(engineProcess);
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function replaySitting(
  sitting: Sitting,
  path: string,
  host: MessageConnection,
  page: Page,
): Promise<ReplayedSitting> {
  const texts = textsAfterKeys(sitting);
  await host.sendRequest(witness.open, { path, ...placeOf(texts[0]!) });
  await takeSeen(page);
  await typeKeys(sitting.keys, page);
  await sleep(lastLookMs);
  const text = await host.sendRequest(witness.settle);
  const { before, after } = texts.at(-1)!;
  if (text !== before + after) {
    const at = [...text].findIndex((_, index) => text[index] !== (before + after)[index]);
    throw new Error(`${sitting.file}: the editor has "${text.slice(at - 30, at + 50)}" where other text was expected.`);
  }
  return { sitting, page: await takeSeen(page), host: await host.sendRequest(witness.take) };
}

/** A hand does not wait for the editor: keys go down when it is their time, whatever has become of those before. */
async function typeKeys(keys: readonly TimedKey[], page: Page): Promise<void> {
  const pressing: Promise<void>[] = [];
  let due = performance.now();
  for (const [ms, key] of keys) {
    due += ms;
    await sleep(Math.max(0, due - performance.now()));
    pressing.push(page.keyboard.press(key));
  }
  await Promise.all(pressing);
}

async function meet(socket: string, { log }: WorkbenchWindow): Promise<MessageConnection> {
  const deadline = performance.now() + startMs;
  while (!existsSync(socket)) {
    if (performance.now() > deadline) throw new Error(`The window did not start:\n${log.slice(-20).join("\n")}`);
    await sleep(100);
  }
  const connection = createConnection(socket);
  await once(connection, "connect");
  const rpc = createMessageConnection(new SocketMessageReader(connection), new SocketMessageWriter(connection));
  rpc.listen();
  return rpc;
}

/** Grows while the page lives. */
function foreignHosts(page: Page): ReadonlySet<string> {
  const found = new Set<string>();
  page.context().on("request", (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (/^(http|ws)/.test(protocol) && hostname !== "127.0.0.1") found.add(hostname);
  });
  return found;
}
