import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as vscode from "vscode";
import { createMessageConnection, SocketMessageReader, SocketMessageWriter } from "vscode-jsonrpc/node";
import type { Ctx } from "../../src/extension/ctx.ts";
import { watchConnections } from "./connections.ts";
import { type HostDescription, type SeenAsk, type SeenRequest, witness } from "./messages.ts";
import type { Moment } from "./page.ts";
import { ThreadProfile } from "./profile.ts";

/** Nothing happens for this long: what is done ahead of typing has been done. */
const idleMs = 1500;
const pollMs = 50;

const now = (): Moment => performance.timeOrigin + performance.now();

/** Called by the extension host in place of tests: watches the extension from outside, for whoever connects to the socket. */
export async function run(): Promise<void> {
  const extension = vscode.extensions.getExtension<Ctx>("jakiro.jakiro");
  if (extension === undefined) throw new Error("The extension is not there.");
  const ctx = await extension.activate();
  const server = createServer().listen(process.env["JAKIRO_BENCH_SOCKET"]);
  const [socket] = (await once(server, "connection")) as [Socket];
  server.close();
  await serve(new Witness(ctx, extension.extensionPath), socket);
}

function serve(host: Witness, socket: Socket): Promise<void> {
  const rpc = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
  return new Promise((resolve) => {
    rpc.onRequest(witness.describe, () => host.describe());
    rpc.onRequest(witness.open, ({ path, line, character }) => host.open(path, new vscode.Position(line, character)));
    rpc.onRequest(witness.settle, () => host.settle());
    rpc.onRequest(witness.take, () => host.take());
    rpc.onRequest(witness.connections, () => [...host.connections]);
    rpc.onRequest(witness.end, () => resolve());
    rpc.onClose(() => resolve());
    rpc.listen();
  });
}

class Witness {
  private asks: SeenAsk[] = [];
  private requests: SeenRequest[] = [];
  private sent = 0;
  private readonly profile = new ThreadProfile();
  readonly connections = watchConnections();

  constructor(
    private readonly ctx: Ctx,
    private readonly extensionPath: string,
  ) {
    this.watchProvider();
    this.watchEngine();
  }

  async describe(): Promise<HostDescription> {
    const { engine } = this.ctx;
    await until("the extension knows its model", () => engine.state.kind !== "noModel");
    await engine.warm({ prefix: "x", suffix: "", snippets: [] }, new vscode.CancellationTokenSource().token);
    await until("the model is loaded", () => engine.state.kind === "ready");
    const { process: engineProcess } = (await engine.diagnose()) as { process: { processId: number } };
    if (engine.state.kind !== "ready") throw new Error(`The engine is ${engine.state.kind}.`);
    const { name, heads } = engine.state.model;
    return { vscode: vscode.version, model: name, heads, engineProcess: engineProcess.processId };
  }

  async open(path: string, cursor: vscode.Position): Promise<void> {
    const document = await vscode.workspace.openTextDocument(path);
    await vscode.window.showTextDocument(document, { selection: new vscode.Range(cursor, cursor), preview: false });
    await this.idle();
    this.asks = [];
    this.requests = [];
    await this.profile.start();
  }

  async settle(): Promise<string> {
    await this.idle();
    return vscode.window.activeTextEditor?.document.getText() ?? "";
  }

  async take() {
    // Other extensions of the host are bundled under the same file name.
    const bundle = join(this.extensionPath, "dist", "extension.js");
    const profile = await this.profile.stop((url) => (url.startsWith("file:") ? fileURLToPath(url) : url) === bundle);
    if (profile.work.length === 0) throw new Error(`The profile shows nothing of ${bundle}.`);
    return { asks: this.asks, requests: this.requests, ...profile };
  }

  private async idle(): Promise<void> {
    const { completer } = this.ctx.completions;
    let since = now();
    await until("the engine is idle", () => {
      const { state } = this.ctx.engine;
      if (!completer.isIdleFor(pollMs) || (state.kind === "ready" && state.busy)) since = now();
      return now() - since > idleMs;
    });
  }

  /** The editor calls the method by its name on this object. */
  private watchProvider(): void {
    const { completions } = this.ctx;
    const { figures } = completions.completer;
    const provide = completions.provideInlineCompletionItems.bind(completions);
    completions.provideInlineCompletionItems = async (document, position, context, token) => {
      const ask: SeenAsk = { at: now(), line: position.line, character: position.character, source: "none" };
      this.asks.push(ask);
      const { fromCache, joined } = figures;
      const providing = provide(document, position, context, token);
      // Both are counted before the first wait.
      if (figures.fromCache > fromCache) ask.source = "cache";
      if (figures.joined > joined) Object.assign(ask, { source: "joined", request: this.lastTyped()?.id });
      const items = await providing;
      ask.answer = { at: now(), text: textBehind(position, items[0]), isCancelled: token.isCancellationRequested };
      return items;
    };
  }

  /** Every part of the extension asks this object. */
  private watchEngine(): void {
    const { engine } = this.ctx;
    const complete = engine.complete.bind(engine);
    engine.complete = async (params, token, onText) => {
      const request: SeenRequest = { id: ++this.sent, priority: params.priority, sentAt: now() };
      this.requests.push(request);
      // Requests are sent for the newest keystroke alone.
      if (params.priority === "typed") Object.assign(this.asks.at(-1)!, { source: "asked", request: request.id });
      const result = await complete(params, token, (text) => {
        request.firstTextAt ??= now();
        onText?.(text);
      });
      request.endedAt = now();
      if (result !== undefined) request.statistics = result.statistics;
      return result;
    };
    const warm = engine.warm.bind(engine);
    engine.warm = async (params, token) => {
      const request: SeenRequest = { id: ++this.sent, priority: "warm", sentAt: now() };
      this.requests.push(request);
      await warm(params, token);
      request.endedAt = now();
    };
  }

  private lastTyped(): SeenRequest | undefined {
    return this.requests.findLast(({ priority }) => priority === "typed");
  }
}

/** What an item would add behind the cursor; its range may begin before. */
function textBehind(cursor: vscode.Position, item: vscode.InlineCompletionItem | undefined): string | undefined {
  if (item === undefined || typeof item.insertText !== "string") return undefined;
  return item.insertText.slice(cursor.character - (item.range?.start.character ?? cursor.character));
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = now() + 300_000;
  while (!condition()) {
    if (now() > deadline) throw new Error(`Waited in vain until ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
