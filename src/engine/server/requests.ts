import type { CancellationToken } from "vscode-jsonrpc/node";
import type { Priority } from "../../protocol/messages.ts";
import { cancelled, yielded } from "./failures.ts";
import type { Borrower, CachingSession, SessionPool } from "./sessionPool.ts";
import { type Place, Turns } from "./turns.ts";

/** How often the event loop must go round until a message that has arrived is being handled, with some to spare. */
const roundsToListen = 5;

/** The runtime blocks the event loop during a forward; between two of them it must get to the sockets. */
async function hearMessages(): Promise<void> {
  for (let i = 0; i < roundsToListen; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** A request that decodes, from its arrival to its answer. */
export class ActiveRequest implements Borrower {
  /** Milliseconds it waited for others so far before it began. */
  waitedMs = 0;
  private readonly abort = new AbortController();
  private readonly place: Place;
  private turnIsUnused = false;

  constructor(
    readonly owner: object,
    readonly priority: Priority,
    turns: Turns,
  ) {
    this.place = turns.enter(priority, owner, this.abort.signal);
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  get isBackground(): boolean {
    return this.priority === "prefetch" || this.priority === "warm";
  }

  cancel(): void {
    this.abort.abort(cancelled());
  }

  yield(): void {
    this.abort.abort(yielded());
  }

  /** Waits for a session of the pool and for the first turn, then works with them. */
  async withSession<Session extends CachingSession, Result>(
    pool: SessionPool<Session>,
    prompt: { readonly tokens: readonly number[]; readonly lasting: number },
    work: (session: Session) => Promise<Result>,
  ): Promise<Result> {
    const start = performance.now();
    const session = await pool.borrow(prompt.tokens, prompt.lasting, this);
    try {
      await this.place.next();
      this.signal.throwIfAborted();
      this.turnIsUnused = true;
      this.waitedMs += performance.now() - start;
      return await work(session);
    } finally {
      this.place.leave();
      pool.giveBack(session);
    }
  }

  /** To be awaited before every forward; returns at once after the request's end was asked for. */
  readonly turn = async (company?: object): Promise<void> => {
    const isMine = this.turnIsUnused && company === undefined;
    this.turnIsUnused = false;
    if (!isMine) await this.place.next(company);
  };
}

/** All requests that decode. */
export class Requests {
  readonly turns = new Turns(hearMessages);
  private readonly active = new Map<ActiveRequest, Promise<unknown>>();

  /** @param onBusy whether any request is active, whenever that changes */
  constructor(private readonly onBusy: (busy: boolean) => void) {}

  get busy(): boolean {
    return this.active.size > 0;
  }

  /**
   * Runs the work of one request. Rejects as soon as the work ends after a cancellation, or after it was asked to yield: by a
   * typed request of the same owner, which comes instead of what was guessed before it.
   */
  async run<Result>(
    owner: object,
    priority: Priority,
    token: CancellationToken,
    work: (request: ActiveRequest) => Promise<Result>,
  ): Promise<Result> {
    const request = new ActiveRequest(owner, priority, this.turns);
    if (token.isCancellationRequested) request.cancel();
    const listening = token.onCancellationRequested(() => request.cancel());
    if (priority === "typed") for (const other of this.of(owner)) if (other.isBackground) other.yield();
    // The session that is about to be free holds most of this request's prompt.
    const ending = this.of(owner).flatMap((other) => (other.signal.aborted ? [this.active.get(other)] : []));
    const working = Promise.allSettled(ending).then(async () => {
      request.signal.throwIfAborted();
      const result = await work(request);
      request.signal.throwIfAborted();
      return result;
    });
    this.active.set(request, working);
    if (this.active.size === 1) this.onBusy(true);
    try {
      return await working;
    } catch (error) {
      request.signal.throwIfAborted();
      throw error;
    } finally {
      listening.dispose();
      this.active.delete(request);
      if (this.active.size === 0) this.onBusy(false);
    }
  }

  /** Ends everything that nobody waits for any more. */
  cancelAll(owner: object): void {
    for (const request of this.of(owner)) request.cancel();
  }

  private of(owner: object): ActiveRequest[] {
    return [...this.active.keys()].filter((request) => request.owner === owner);
  }
}
