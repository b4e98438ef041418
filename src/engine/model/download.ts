import { setTimeout as sleep } from "node:timers/promises";
import { type PartFile, SourceFailure } from "./partFile.ts";

export interface DownloadLimits {
  /** Time to the first byte of an answer, in ms. */
  readonly connectMs: number;
  /** Longest silence in the middle of a file, in ms. */
  readonly stallMs: number;
  /** Attempts in a row that may bring nothing new before the download is given up. */
  readonly attempts: number;
  /** Pause before the second attempt, in ms; doubles with every further one. */
  readonly pauseMs: number;
  /** Longest wait that a server may ask for with Retry-After, in ms. */
  readonly longestWaitMs: number;
}

export const defaultLimits: DownloadLimits = {
  connectMs: 10_000,
  stallMs: 30_000,
  attempts: 4,
  pauseMs: 500,
  longestWaitMs: 120_000,
};

/** What asks the network: `fetch`, or the editor's own, which knows its proxy and certificates. */
export type Fetcher = typeof fetch;

const retryableStatuses: ReadonlySet<number> = new Set([408, 416, 429, 500, 502, 503, 504]);

/**
 * Fills the part file from `url`, going on from what it already holds (HTTP range requests) and reconnecting after cuts and
 * stalls; a host that never answers is asked once. Throws SourceFailure when the source cannot do it, the signal's reason
 * when it is aborted, JakiroError("io") when the disk is at fault.
 */
export async function download(
  url: string,
  part: PartFile,
  signal: AbortSignal,
  limits: DownloadLimits = defaultLimits,
  fetcher: Fetcher = fetch,
): Promise<void> {
  let furthest = part.received;
  let answered = false;
  for (let idle = 0; part.missing > 0; ) {
    const failure = await transfer(url, part, signal, limits, fetcher, () => {
      answered = true;
    });
    if (part.missing === 0) return;
    idle = part.received > furthest ? 0 : idle + 1;
    furthest = Math.max(furthest, part.received);
    if (!failure.retryable || idle >= (answered ? limits.attempts : 1)) throw failure;
    const pauseMs = limits.pauseMs * 2 ** Math.max(0, idle - 1);
    await sleep(Math.max(pauseMs, failure.waitMs), undefined, { signal });
  }
}

/** One request. Returns why it ended; what it brought stays in the part file. */
async function transfer(
  url: string,
  part: PartFile,
  signal: AbortSignal,
  { connectMs, stallMs, longestWaitMs }: DownloadLimits,
  fetcher: Fetcher,
  onAnswer: () => void,
): Promise<SourceFailure> {
  const watchdog = new Watchdog();
  try {
    watchdog.expect(connectMs, `did not answer within ${connectMs / 1000} s`);
    const response = await fetcher(url, {
      headers: {
        "accept-encoding": "identity",
        ...(part.received > 0 ? { range: `bytes=${part.received}-` } : {}),
      },
      signal: AbortSignal.any([signal, watchdog.signal]),
    });
    onAnswer();
    const body = await acceptBody(response, part, longestWaitMs);
    for (;;) {
      watchdog.expect(stallMs, `sent nothing for ${stallMs / 1000} s`);
      const { done, value } = await body.read();
      if (done) return new SourceFailure(`ended after ${part.received} of ${part.expected.bytes} bytes`, true);
      await part.append(value);
    }
  } catch (error) {
    signal.throwIfAborted();
    return watchdog.failure ?? asSourceFailure(error);
  } finally {
    watchdog.stop();
  }
}

/** Checks that the answer is the rest of this file, or the whole of it, and prepares the part file for it. */
async function acceptBody(
  response: Response,
  part: PartFile,
  longestWaitMs: number,
): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const resumed = response.status === 206;
  if (response.status === 416) await part.restart();
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    const answer = `answered ${response.status} ${response.statusText}`.trim();
    const waitMs = askedWaitMs(response.headers.get("retry-after"));
    if (waitMs > longestWaitMs) {
      throw new SourceFailure(`${answer} and asks to be left alone for ${Math.ceil(waitMs / 60_000)} minutes`);
    }
    throw new SourceFailure(answer, retryableStatuses.has(response.status), waitMs);
  }
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "");
  const total = resumed ? range?.[2] : response.headers.get("content-length");
  if (total && total !== "*" && Number(total) !== part.expected.bytes) {
    await response.body.cancel();
    throw new SourceFailure(`offers a file of ${total} bytes where this model has ${part.expected.bytes}`);
  }
  if (!resumed) await part.restart();
  else if (Number(range?.[1]) !== part.received) {
    await response.body.cancel();
    await part.restart();
    throw new SourceFailure("answered with another part of the file than was asked for", true);
  }
  return response.body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
}

/** Retry-After (RFC 9110, 10.2.3) in ms: seconds or a date; 0 where it is absent or makes no sense. */
function askedWaitMs(retryAfter: string | null): number {
  if (retryAfter === null) return 0;
  const ms = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - Date.now();
  return Math.max(0, ms || 0);
}

/** Aborts a request that stays silent for longer than what is expected of it at the moment. */
class Watchdog {
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  failure: SourceFailure | undefined;

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  expect(ms: number, complaint: string): void {
    this.stop();
    this.timer = setTimeout(() => {
      this.failure = new SourceFailure(complaint, true);
      this.controller.abort(this.failure);
    }, ms);
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}

const explanations: Readonly<Record<string, string>> = {
  ENOTFOUND: "its host name is not known here (no network, or no name service)",
  EAI_AGAIN: "its host name could not be looked up (no network, or no name service)",
  ECONNREFUSED: "refused the connection",
  ENETUNREACH: "the network cannot be reached",
  EHOSTUNREACH: "the host cannot be reached",
  UND_ERR_CONNECT_TIMEOUT: "did not answer in time",
  UND_ERR_SOCKET: "cut the connection",
  ECONNRESET: "cut the connection",
  CERT_HAS_EXPIRED: "its certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is not trusted on this machine",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is not trusted on this machine",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is not trusted on this machine",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is not trusted on this machine",
};

/**
 * What went wrong below HTTP, which `fetch` reports as a TypeError and Electron's as an Error named after Chromium's network
 * errors; anything else is not the source's doing and is thrown on.
 */
function asSourceFailure(error: unknown): SourceFailure {
  if (error instanceof SourceFailure) return error;
  if (!(error instanceof TypeError || (error instanceof Error && error.message.startsWith("net::")))) throw error;
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  return new SourceFailure(explanations[cause?.code ?? ""] ?? cause?.message ?? error.message, true);
}
