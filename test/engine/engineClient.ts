import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import {
  type CancellationToken,
  createMessageConnection,
  type MessageConnection,
  SocketMessageReader,
  SocketMessageWriter,
} from "vscode-jsonrpc/node";
import {
  type CompleteParams,
  type CompleteResult,
  type EngineConfiguration,
  type EngineState,
  messages,
  type Priority,
  type RoundParams,
} from "../../src/protocol/messages.ts";
import { newNonce, proofOf, type Rendezvous, readSecret, rendezvousOf } from "../../src/protocol/rendezvous.ts";

/** The built engine process: the test command builds it first. */
const engineScript = join("dist", "engine.js");

export const build = "a-test";

export function meetingIn(runtimeFolder: string): Rendezvous {
  return rendezvousOf(build, { runtimeFolder });
}

export interface EngineOptions {
  /** XDG_RUNTIME_DIR of the process. */
  readonly runtimeFolder: string;
  readonly cacheFolder: string;
  /** Milliseconds of a minute of `idleMinutes`. */
  readonly minuteMs?: number;
  /** Milliseconds without connections after which it ends. */
  readonly lingerMs?: number;
  /** To be kept bounded. */
  readonly logFile?: string;
}

/** An engine process that a test has started. */
export class EngineProcess {
  stderr = "";
  readonly ended: Promise<number | NodeJS.Signals | null>;
  private readonly child: ChildProcess;

  constructor({ runtimeFolder, cacheFolder, minuteMs = 60_000, lingerMs = 60_000, logFile }: EngineOptions) {
    const waits = ["--minute-ms", String(minuteMs), "--linger-ms", String(lingerMs)];
    const log = logFile === undefined ? [] : ["--log-file", logFile];
    this.child = spawn(process.execPath, [engineScript, "--build", build, ...waits, ...log], {
      env: { ...process.env, XDG_RUNTIME_DIR: runtimeFolder, JAKIRO_CACHE_DIR: cacheFolder },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.ended = once(this.child, "close").then(([code, signal]) => signal ?? code);
  }

  get pid(): number {
    return this.child.pid!;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Resolves when it says that it listens or that another one does; rejects when it ends before. */
  async started(): Promise<void> {
    while (!/Listening|serves already/.test(this.stderr)) {
      const ended = await Promise.race([this.ended, once(this.child.stderr!, "data").then(() => undefined)]);
      if (ended !== undefined && !/Listening|serves already/.test(this.stderr)) {
        throw new Error(`The engine ended with ${ended}: ${this.stderr}`);
      }
    }
  }
}

/** A socket with messages, proven or not. */
export async function dial(
  path: string,
): Promise<{ socket: Socket; rpc: MessageConnection; closed: Promise<unknown> }> {
  const socket = connect(path);
  await once(socket, "connect");
  socket.on("error", () => undefined);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  const rpc = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
  rpc.listen();
  return { socket, rpc, closed };
}

/** A window's side of the protocol. */
export class EngineClient {
  readonly states: EngineState[] = [];
  readonly texts = new Map<number, string[]>();
  readonly rounds: RoundParams[] = [];
  private readonly watchers = new Set<() => void>();
  private lastId = 0;

  private constructor(
    readonly rpc: MessageConnection,
    readonly socket: Socket,
    readonly closed: Promise<unknown>,
  ) {
    const changed = () => {
      for (const watcher of this.watchers) watcher();
    };
    rpc.onNotification(messages.state, (state) => {
      this.states.push(state);
      changed();
    });
    rpc.onNotification(messages.progress, ({ id, text }) => {
      this.texts.set(id, [...(this.texts.get(id) ?? []), text]);
      changed();
    });
    rpc.onNotification(messages.round, (round) => {
      this.rounds.push(round);
      changed();
    });
  }

  static async connect(meeting: Rendezvous, index = 0): Promise<EngineClient> {
    const { rpc, socket, closed } = await dial(meeting.sockets[index]!);
    const secret = await readSecret(meeting.secret);
    const nonce = newNonce();
    const hello = await rpc.sendRequest(messages.hello, { nonce, build });
    const client = new EngineClient(rpc, socket, closed);
    const proof = proofOf(secret, "client", nonce, hello.nonce);
    const { state } = await rpc.sendRequest(messages.prove, { proof });
    client.states.push(state);
    return client;
  }

  /** Resolves when the condition holds, asked again after every notification. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const watcher = () => {
        if (!condition()) return;
        this.watchers.delete(watcher);
        resolve();
      };
      this.watchers.add(watcher);
      watcher();
    });
  }

  get state(): EngineState {
    return this.states.at(-1)!;
  }

  configure(configuration: Partial<EngineConfiguration>): Promise<void> {
    return this.rpc.sendRequest(messages.configure, { device: "cpu", idleMinutes: 0, ...configuration });
  }

  /** Chooses a model and waits until it serves. */
  async load(modelPath: string, more: Partial<EngineConfiguration> = {}): Promise<void> {
    const from = this.states.length;
    await this.configure({ modelPath, ...more });
    await this.until(() => this.states.slice(from).some(({ kind }) => kind === "ready"));
  }

  /** The request's id and its answer. */
  complete(
    params: Partial<CompleteParams>,
    token?: CancellationToken,
  ): { readonly id: number; readonly answer: Promise<CompleteResult> } {
    const id = ++this.lastId;
    const asked: CompleteParams = {
      prefix: "",
      suffix: "",
      snippets: [],
      priority: "typed",
      maxTokens: 32,
      progress: false,
      ...params,
      id,
    };
    const answer = this.rpc.sendRequest(messages.complete, asked, token);
    // A test may look at it later.
    answer.catch(() => undefined);
    return { id, answer };
  }

  /** Forwards and drafts that the engine has run so far. */
  async turns(): Promise<Record<Priority, number>> {
    const { process } = (await this.rpc.sendRequest(messages.diagnose)) as {
      process: { turns: Record<Priority, number> };
    };
    return process.turns;
  }

  close(): void {
    this.rpc.dispose();
    this.socket.destroy();
  }
}

/** Engine processes and clients of one suite, with one cache. */
export class EngineFixture {
  readonly cacheFolder: string;
  private readonly processes: EngineProcess[] = [];
  private readonly clients: EngineClient[] = [];
  private folders = 0;

  constructor(private readonly folder: string) {
    this.cacheFolder = join(folder, "cache");
  }

  newRuntimeFolder(): string {
    const folder = join(this.folder, `run${this.folders++}`);
    mkdirSync(folder);
    return folder;
  }

  start(runtimeFolder: string, waits: Pick<EngineOptions, "minuteMs" | "lingerMs" | "logFile"> = {}): EngineProcess {
    const engine = new EngineProcess({ runtimeFolder, cacheFolder: this.cacheFolder, ...waits });
    this.processes.push(engine);
    return engine;
  }

  async enter(runtimeFolder: string, index = 0): Promise<EngineClient> {
    const client = await EngineClient.connect(meetingIn(runtimeFolder), index);
    this.clients.push(client);
    return client;
  }

  async end(): Promise<void> {
    for (const client of this.clients) client.close();
    for (const engine of this.processes) engine.kill("SIGKILL");
    await Promise.all(this.processes.map(({ ended }) => ended));
  }
}

/** For `assert.rejects`: a ResponseError of this code. */
export function code(expected: number): (error: unknown) => boolean {
  return (error) => {
    assert.equal((error as { code: number }).code, expected, String(error));
    return true;
  };
}

/** A message as it goes over the socket. */
export function frame(message: unknown): string {
  const body = JSON.stringify(message);
  return `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}
