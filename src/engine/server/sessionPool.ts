import type { Priority } from "../../protocol/messages.ts";
import { commonPrefix } from "../decoding/decoder.ts";
import { isMoreUrgent } from "./turns.ts";

/** What the pool must know of a session. */
export interface CachingSession {
  /** Tokens in its KV cache. */
  readonly tokens: readonly number[];
}

/** Who asks for a session. */
export interface Borrower {
  readonly priority: Priority;
  readonly signal: AbortSignal;
  /** Asks it to give its session back soon, for something more urgent. */
  yield(): void;
}

interface Waiting {
  readonly borrower: Borrower;
  readonly start: () => void;
}

/** A cache that holds less than this of a prompt's lasting part is another text's. */
const leastShare = 0.5;

/**
 * Few sessions for many requests: each KV cache takes up to some hundred MB. A request gets the one that holds most of its
 * prompt. One is kept free of everything but typed requests, so that they wait for no long one.
 */
export class SessionPool<Session extends CachingSession> {
  /** Free ones, the one used longest ago first. */
  private readonly free: Session[];
  private readonly borrowed = new Map<Session, Borrower>();
  private readonly waiting: Waiting[] = [];
  /** Sessions being made. */
  private coming = 0;

  constructor(
    private readonly make: () => Promise<Session>,
    first: readonly Session[] = [],
    private readonly most = 3,
  ) {
    this.free = [...first];
  }

  /**
   * Waits for a session; rejects with the signal's reason. It must be given back.
   * @param lasting how many of the prompt's tokens earlier prompts of the same text began with as well
   */
  async borrow(prompt: readonly number[], lasting: number, borrower: Borrower): Promise<Session> {
    borrower.signal.throwIfAborted();
    while (!this.hasRoom(borrower)) await this.wait(borrower);
    const known = this.bestFor(prompt, lasting);
    if (known !== undefined) {
      this.free.splice(this.free.indexOf(known), 1);
      this.borrowed.set(known, borrower);
      return known;
    }
    this.coming++;
    try {
      const made = await this.make();
      this.borrowed.set(made, borrower);
      return made;
    } catch (error) {
      this.wake();
      throw error;
    } finally {
      this.coming--;
    }
  }

  giveBack(session: Session): void {
    this.borrowed.delete(session);
    this.free.push(session);
    this.wake();
  }

  private wake(): void {
    for (const { start } of this.waiting.splice(0)) start();
  }

  private hasRoom({ priority }: Borrower): boolean {
    const taken = this.borrowed.size + this.coming;
    return taken < (priority === "typed" ? this.most : this.most - 1);
  }

  /** The free session that holds most of the prompt, or the one used longest ago where no more may be made. */
  private bestFor(prompt: readonly number[], lasting: number): Session | undefined {
    let best: Session | undefined;
    let longest = -1;
    for (const session of this.free) {
      const shared = commonPrefix(session.tokens, prompt);
      if (shared <= longest || shared < leastShare * Math.min(lasting, prompt.length)) continue;
      best = session;
      longest = shared;
    }
    const alive = this.free.length + this.borrowed.size + this.coming;
    return (
      best ?? this.free.find(({ tokens }) => tokens.length === 0) ?? (alive < this.most ? undefined : this.free[0])
    );
  }

  /** Until some session was given back. Waiting work is asked in order of urgency whether it may start. */
  private async wait(borrower: Borrower): Promise<void> {
    this.askToYield(borrower);
    const { signal } = borrower;
    let waiting: Waiting | undefined;
    await new Promise<void>((resolve) => {
      waiting = { borrower, start: resolve };
      const place = this.waiting.findIndex((other) => isMoreUrgent(borrower.priority, other.borrower.priority));
      this.waiting.splice(place < 0 ? this.waiting.length : place, 0, waiting);
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    const left = this.waiting.indexOf(waiting!);
    if (left >= 0) this.waiting.splice(left, 1);
    signal.throwIfAborted();
  }

  /** Background work gives way to anything more urgent; what a user waits for does not. */
  private askToYield({ priority }: Borrower): void {
    const holders = [...this.borrowed.values()];
    const least =
      holders.find((holder) => holder.priority === "warm") ?? holders.find((holder) => holder.priority === "prefetch");
    if (least !== undefined && isMoreUrgent(priority, least.priority)) least.yield();
  }
}
