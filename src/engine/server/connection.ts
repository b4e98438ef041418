import type { Socket } from "node:net";
import { createMessageConnection, type MessageConnection, ResponseError } from "vscode-jsonrpc/node";
import {
  type EngineState,
  errorCodes,
  messages,
  type ProgressParams,
  type RoundParams,
} from "../../protocol/messages.ts";
import { isProof, newNonce, proofOf } from "../../protocol/rendezvous.ts";
import type { Client } from "./client.ts";
import { complete } from "./completeHandler.ts";
import { asResponse } from "./failures.ts";
import { generate } from "./generateHandler.ts";
import type { LoadedModel } from "./loadedModel.ts";
import type { Log } from "./log.ts";
import type { ModelHost } from "./modelHost.ts";
import { params } from "./params.ts";
import type { Requests } from "./requests.ts";
import { ClosingWriter, LimitedReader } from "./transport.ts";
import { warm } from "./warmHandler.ts";

/** What the process offers to every connection. */
export interface Services {
  readonly build: string;
  readonly secret: string;
  readonly host: ModelHost<LoadedModel>;
  readonly requests: Requests;
  readonly log: Log;
  diagnose(): Promise<Readonly<Record<string, unknown>>>;
  /** The process is to end as soon as nobody but the one who asks is connected. */
  endSoon(): void;
  /** Milliseconds in which a client must have proven itself. */
  readonly proofMs: number;
}

/** In bytes: nonces and proofs are short, documents are not. */
const limits = { unproven: 4096, proven: 32 * 1024 * 1024 };

/** One window's connection: nothing is answered before it has proven to know the secret. */
export class Connection implements Client {
  private readonly reader: LimitedReader;
  private readonly writer: ClosingWriter;
  private readonly rpc: MessageConnection;
  private readonly deadline: NodeJS.Timeout;
  private proven = false;
  observesRounds = false;

  constructor(
    private readonly socket: Socket,
    private readonly services: Services,
    onClose: () => void,
  ) {
    this.reader = new LimitedReader(socket, limits.unproven);
    this.writer = new ClosingWriter(socket);
    const hangUp = () => this.socket.destroy();
    // Whatever it complains of may quote the message, which may hold a document: nothing of it is logged.
    const strict = { error: hangUp, warn: () => undefined, info: () => undefined, log: () => undefined };
    this.rpc = createMessageConnection(this.reader, this.writer, strict);
    this.deadline = setTimeout(hangUp, services.proofMs);
    this.rpc.onError(hangUp);
    socket.once("close", () => {
      clearTimeout(this.deadline);
      this.proven = false;
      this.requests.cancelAll(this);
      this.rpc.dispose();
      onClose();
    });
    this.introduce();
    this.rpc.listen();
  }

  get requests(): Requests {
    return this.services.requests;
  }

  get host(): ModelHost<LoadedModel> {
    return this.services.host;
  }

  sendState(state: EngineState): void {
    this.send(() => this.rpc.sendNotification(messages.state, state));
  }

  sendProgress(progress: ProgressParams): void {
    this.send(() => this.rpc.sendNotification(messages.progress, progress));
  }

  sendRound(round: RoundParams): void {
    this.send(() => this.rpc.sendNotification(messages.round, round));
  }

  close(): void {
    this.socket.destroy();
  }

  private introduce(): void {
    const { rpc, services } = this;
    const refuse = () =>
      this.lastAnswer(new ResponseError(errorCodes.notProven, "Prove first that you know the secret."));
    const strangers = rpc.onRequest(refuse);
    rpc.onNotification(() => this.close());
    const hello = rpc.onRequest(messages.hello, (given) => {
      hello.dispose();
      const { nonce: client, build } = this.checked(() => params.hello(given, "hello"));
      if (build !== services.build) {
        throw this.lastAnswer(
          new ResponseError(errorCodes.failed, `This engine serves ${services.build}, not ${build}.`),
        );
      }
      const nonce = newNonce();
      const prove = rpc.onRequest(messages.prove, (given) => {
        prove.dispose();
        const { proof } = this.checked(() => params.prove(given, "prove"));
        if (!isProof(proofOf(services.secret, "client", client, nonce), proof)) throw refuse();
        strangers.dispose();
        this.welcome();
        return { processId: process.pid, state: this.host.state };
      });
      return { nonce, proof: proofOf(services.secret, "server", client, nonce) };
    });
  }

  private welcome(): void {
    const { rpc, services } = this;
    const { log } = services;
    clearTimeout(this.deadline);
    this.reader.limit = limits.proven;
    this.proven = true;
    /** Rejects with ResponseErrors alone. */
    const answer = async <Result>(work: () => Result | Promise<Result>): Promise<Result> => {
      try {
        return await work();
      } catch (error) {
        throw asResponse(error, log);
      }
    };
    rpc.onNotification(() => undefined);
    rpc.onNotification(messages.shutdown, () => services.endSoon());
    rpc.onRequest(messages.configure, (given) =>
      answer(() => services.host.configure(params.configure(given, "configure"))),
    );
    rpc.onRequest(messages.complete, (given, token) =>
      answer(() => complete(params.complete(given, "complete"), token, this)),
    );
    rpc.onRequest(messages.warm, (given, token) => answer(() => warm(params.warm(given, "warm"), token, this)));
    rpc.onRequest(messages.generate, (given, token) =>
      answer(() => generate(params.generate(given, "generate"), token, this)),
    );
    rpc.onRequest(messages.observe, (given) =>
      answer(() => {
        this.observesRounds = params.observe(given, "observe").rounds;
      }),
    );
    rpc.onRequest(messages.release, () => answer(() => services.host.release()));
    rpc.onRequest(messages.diagnose, () => answer(() => services.diagnose()));
  }

  /** The answer after which the connection is closed. */
  private lastAnswer<Data>(error: ResponseError<Data>): ResponseError<Data> {
    this.writer.closeAfterNext();
    return error;
  }

  private checked<T>(check: () => T): T {
    try {
      return check();
    } catch (error) {
      throw this.lastAnswer(asResponse(error, this.services.log));
    }
  }

  /** Nothing goes out before the proof, and nothing after the end. */
  private send(notify: () => Promise<void>): void {
    if (this.proven) notify().catch(() => this.close());
  }
}
