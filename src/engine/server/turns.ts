import type { Priority } from "../../protocol/messages.ts";

/** Most urgent first. */
export const priorities = ["typed", "generate", "prefetch", "warm"] as const satisfies readonly Priority[];

/** Whether the first is to run before the second. */
export function isMoreUrgent(first: Priority, second: Priority): boolean {
  return priorities.indexOf(first) < priorities.indexOf(second);
}

/** Work that takes turns; it holds the device from the end of `next` to the following `next` or `leave`. */
export interface Place {
  /**
   * Gives back the turn that is held and waits for another one; returns without one once the signal has fired.
   * @param company works that wait with the same one get their turn together
   */
  next(company?: object): Promise<void>;
  /** Gives back the turn that is held. */
  leave(): void;
}

interface Waiting {
  readonly priority: Priority;
  readonly owner: object;
  readonly arrival: number;
  readonly company: object | undefined;
  readonly start: () => void;
}

/**
 * Hands the device out for one forward at a time: to the most urgent work, among equally urgent work to the owner that was
 * served longest ago, and for one owner to what came first. A forward that several works share is one turn of them all.
 */
export class Turns {
  /** Turns handed out so far; one that several works share counts as its most urgent work's. */
  readonly granted: Record<Priority, number> = { typed: 0, generate: 0, prefetch: 0, warm: 0 };
  private readonly waiting = new Set<Waiting>();
  private readonly served = new WeakMap<object, number>();
  private arrivals = 0;
  private turn = 0;
  /** Works that have the turn. */
  private holders = 0;
  private choosing = false;

  /** @param listen awaited before a turn is handed out, so that what was asked for meanwhile takes part */
  constructor(private readonly listen: () => Promise<void>) {}

  /** @param owner works of one owner do not alternate among each other */
  enter(priority: Priority, owner: object, signal: AbortSignal): Place {
    const arrival = this.arrivals++;
    let holds = false;
    const leave = () => {
      if (!holds) return;
      holds = false;
      this.holders--;
      this.choose();
    };
    const next = (company?: object) =>
      new Promise<void>((resolve) => {
        leave();
        if (signal.aborted) return resolve();
        const giveUp = () => {
          this.waiting.delete(waiting);
          resolve();
        };
        const waiting: Waiting = {
          priority,
          owner,
          arrival,
          company,
          start: () => {
            signal.removeEventListener("abort", giveUp);
            holds = true;
            resolve();
          },
        };
        signal.addEventListener("abort", giveUp, { once: true });
        this.waiting.add(waiting);
        this.choose();
      });
    return { next, leave };
  }

  private choose(): void {
    if (this.choosing || this.holders > 0 || this.waiting.size === 0) return;
    this.choosing = true;
    void this.listen().then(() => {
      this.choosing = false;
      const [first] = [...this.waiting].sort((a, b) => this.compare(a, b));
      if (first === undefined) return;
      const { company } = first;
      const together = company === undefined ? [first] : [...this.waiting].filter((work) => work.company === company);
      this.turn++;
      this.granted[first.priority]++;
      this.holders = together.length;
      for (const work of together) {
        this.waiting.delete(work);
        this.served.set(work.owner, this.turn);
        work.start();
      }
    });
  }

  private compare(a: Waiting, b: Waiting): number {
    const lastTurn = ({ owner }: Waiting) => this.served.get(owner) ?? 0;
    return (
      priorities.indexOf(a.priority) - priorities.indexOf(b.priority) ||
      lastTurn(a) - lastTurn(b) ||
      a.arrival - b.arrival
    );
  }
}
