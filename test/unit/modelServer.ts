import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CatalogueModel } from "../../src/engine/model/catalogue.ts";

/** Bytes without a pattern that a wrong offset could hide in. */
export function noise(bytes: number, seed = 1): Buffer {
  const blocks: Buffer[] = [];
  for (let block = 0; block * 32 < bytes; block++) {
    blocks.push(createHash("sha256").update(`${seed}:${block}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, bytes);
}

export function modelOf(content: Buffer): CatalogueModel {
  return {
    name: "test-model",
    family: "Test",
    file: "test-model.gguf",
    bytes: content.length,
    sha256: createHash("sha256").update(content).digest("hex"),
    licence: "Apache-2.0",
    memoryBytes: 1,
    heads: "models/heads/test-model",
    source: { repository: "owner/repository", revision: "0123abc", file: "test-model.gguf" },
  };
}

/** What the server does with one request; the last one of a script repeats. */
export interface Answer {
  readonly status?: number;
  readonly location?: string;
  readonly retryAfter?: string;
  /** Bytes after which the connection is cut, or nothing more is sent. */
  readonly cutAfter?: number;
  readonly stallAfter?: number;
  readonly ignoreRange?: boolean;
  readonly content?: Buffer;
  /** Sends the file in pieces of so many bytes, one each turn of the event loop. */
  readonly pieces?: number;
  /** Takes the request and says nothing. */
  readonly silent?: boolean;
}

export interface ModelServer {
  readonly endpoint: string;
  /** Path and Range header of every request so far. */
  readonly requests: { path: string; range: string | undefined }[];
  /** Cuts all connections, and refuses new ones until it is plugged in again. */
  unplug(): Promise<void>;
  plugIn(): Promise<void>;
  close(): Promise<void>;
}

/** A hub on 127.0.0.1 that serves `content` with range requests, or misbehaves by script. */
export async function serveModel(content: Buffer, script: readonly Answer[] = [{}]): Promise<ModelServer> {
  const requests: ModelServer["requests"] = [];
  const server: Server = createServer((request, response) => {
    const answer = script[Math.min(requests.length, script.length - 1)]!;
    const { range } = request.headers;
    requests.push({ path: request.url ?? "", range });
    if (!answer.silent) reply(response, answer, answer.content ?? content, range);
  });
  const listen = async (port: number) => {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  };
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}`, requests, unplug: close, plugIn: () => listen(port), close };
}

function reply(response: ServerResponse, answer: Answer, content: Buffer, range: string | undefined): void {
  if (answer.location !== undefined) {
    response.writeHead(302, { location: answer.location }).end();
    return;
  }
  if (answer.status !== undefined) {
    response
      .writeHead(answer.status, answer.retryAfter === undefined ? {} : { "retry-after": answer.retryAfter })
      .end();
    return;
  }
  const start = answer.ignoreRange ? 0 : Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
  const body = content.subarray(start);
  const partial = range !== undefined && !answer.ignoreRange;
  response.writeHead(partial ? 206 : 200, {
    "content-length": body.length,
    ...(partial ? { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` } : {}),
  });
  if (answer.cutAfter !== undefined) response.write(body.subarray(0, answer.cutAfter), () => response.destroy());
  else if (answer.stallAfter !== undefined) response.write(body.subarray(0, answer.stallAfter));
  else if (answer.pieces !== undefined) void sendSlowly(response, body, answer.pieces);
  else response.end(body);
}

async function sendSlowly(response: ServerResponse, body: Buffer, piece: number): Promise<void> {
  for (let start = 0; start < body.length; start += piece) {
    await new Promise((sent) => response.write(body.subarray(start, start + piece), sent));
    await new Promise((turn) => setImmediate(turn));
  }
  response.end();
}

/** A fresh folder that is gone after the test. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "jakiro-test-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
