import type { Turn } from "./decoder.ts";

/** Rounds that the device has been given at a time: the next is there before the host has read the last one. */
export const roundsInFlight = 2;

/** Rounds of a device that take several texts further at once, each in a place of its own. */
export interface SharedRounds<Text, Outcome, Round> {
  /** Texts that fit. */
  readonly places: number;
  /** The round that suits whatever texts sit there. */
  readonly usual: Round;
  /** Puts a text into a free place: rounds that are submitted from now on take it further. */
  seat(place: number, text: Text): Promise<void>;
  /** Frees a place: rounds that are submitted from now on pass over it. */
  clear(place: number): void;
  /** Submits one more round; where there are several places, the usual one. */
  submit(round: Round): Promise<void>;
  /** What the oldest round that was not read yet did to the text of each place; undefined where it had ended before. */
  read(): Promise<readonly (Outcome | undefined)[]>;
  /** Forgets all texts, and the rounds that were not read: something went wrong with them. */
  abandon(): void;
}

/** Who says which rounds a text is to have. */
export interface Proposer<Round> {
  /** The next round, while no other text takes part; undefined, where one is under way, to wait for what that brings. */
  propose(): Round | undefined;
  /** Told of a round that several texts share. */
  join(round: Round): void;
}

/** A text that takes part in rounds. */
export interface Participant<Text, Outcome, Round> {
  readonly text: Text;
  /** Without one, all rounds are the usual ones. */
  readonly source?: Proposer<Round> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly turn?: Turn | undefined;
  /** Takes in what a round did to the text, and says whether it goes on. */
  readonly take: (outcome: Outcome) => boolean;
}

interface Member<Text, Outcome, Round> extends Participant<Text, Outcome, Round> {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Where it sits; undefined until it does. */
  place: number | undefined;
  /** The first round that it takes part in. */
  firstRound: number;
}

/**
 * Runs rounds for as long as there are texts. They come and go between two rounds; while they come and go, the rounds are exchanged for
 * those that have places for as many as there are. A text that is alone has the rounds that its own proposer wants; several texts have
 * the usual ones. A round needs one turn, which all texts share.
 */
export class RoundsScheduler<Text, Outcome, Round> {
  private readonly members = new Set<Member<Text, Outcome, Round>>();
  /** Ends that are told once all rounds before this one were read. */
  private leaving: { readonly before: number; readonly tell: () => void }[] = [];
  /** Turns that were asked for, by whether they have come. */
  private readonly turns = new Map<Turn, { readonly come: Promise<void>; isHere: boolean }>();
  private rounds: SharedRounds<Text, Outcome, Round> | undefined;
  private submitted = 0;
  private unread = 0;
  private running: Promise<void> | undefined;

  /** @param roundsFor the rounds to use for so many texts, which have at least so many places */
  constructor(private readonly roundsFor: (texts: number) => SharedRounds<Text, Outcome, Round>) {}

  /**
   * Takes a text further until it ends, is to end, or is cancelled. Rejects with what went wrong for this text, or for all of them.
   * Once the last text's promise has settled, no round is under way.
   */
  decode(participant: Participant<Text, Outcome, Round>): Promise<void> {
    return new Promise((resolve, reject) => {
      const { turn } = participant;
      this.members.add({ ...participant, resolve, reject, place: undefined, firstRound: 0 });
      // What the others wait for may be the turn that this text's request holds.
      if (turn !== undefined) this.ask(turn);
      this.running ??= this.run();
    });
  }

  /** Resolves once no round is under way. */
  async idle(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    try {
      while (this.members.size > 0 || this.unread > 0) {
        if (this.members.size > 0) await this.goOn();
        else await this.readOldest();
        this.tellEnds();
      }
    } catch (error) {
      for (const member of this.members) member.reject(error);
      this.members.clear();
      this.turns.clear();
      this.rounds?.abandon();
      this.rounds = undefined;
      this.unread = 0;
      this.tellEnds();
    }
    this.running = undefined;
  }

  private async goOn(): Promise<void> {
    await this.takeTurn();
    for (const member of this.members) if (member.signal?.aborted) this.dismiss(member);
    await this.admit();
    const round = await this.nextRound();
    if (round === undefined) return;
    await this.rounds!.submit(round);
    this.submitted++;
    this.unread++;
    if (this.unread === roundsInFlight) await this.readOldest();
  }

  /** What to submit, which may have to wait for what a round under way brings; undefined where no text is left. */
  private async nextRound(): Promise<Round | undefined> {
    while (this.seated.length > 0) {
      const { usual, places } = this.rounds!;
      const sources = this.seated.map(({ source }) => source);
      const [only] = sources;
      if (places > 1 || only === undefined) {
        for (const source of sources) source?.join(usual);
        return usual;
      }
      const round = only.propose();
      if (round !== undefined) return round;
      await this.readOldest();
    }
    return undefined;
  }

  private get seated(): Member<Text, Outcome, Round>[] {
    return [...this.members].filter(({ place }) => place !== undefined);
  }

  private async takeTurn(): Promise<void> {
    const turns = new Set([...this.members].flatMap(({ turn }) => turn ?? []));
    for (const turn of turns) if (this.turns.get(turn)?.isHere !== false) this.ask(turn);
    await Promise.all([...turns].map((turn) => this.turns.get(turn)?.come));
  }

  /** Several texts of one request have one turn. */
  private ask(turn: Turn): void {
    if (this.turns.get(turn)?.isHere === false) return;
    const asked = {
      isHere: false,
      come: turn(this).then(() => {
        asked.isHere = true;
      }),
    };
    this.turns.set(turn, asked);
  }

  /** Seats those whose turn it is, in rounds that have places for them and those who sit already. */
  private async admit(): Promise<void> {
    const coming = () =>
      [...this.members].filter(
        ({ place, turn }) => place === undefined && (turn === undefined || this.turns.get(turn)!.isHere),
      );
    if (this.fitting(coming().length) !== this.rounds) {
      while (this.unread > 0) await this.readOldest();
      // Some may have ended in what was read.
      const fitting = this.fitting(coming().length);
      if (fitting !== this.rounds) this.moveTo(fitting);
    }
    for (const member of coming()) await this.seat(member);
  }

  private fitting(coming: number): SharedRounds<Text, Outcome, Round> | undefined {
    const texts = this.seated.length + coming;
    return texts === 0 ? this.rounds : this.roundsFor(texts);
  }

  private moveTo(rounds: SharedRounds<Text, Outcome, Round> | undefined): void {
    for (const member of this.seated) {
      this.rounds!.clear(member.place!);
      member.place = undefined;
    }
    this.rounds = rounds;
  }

  private async seat(member: Member<Text, Outcome, Round>): Promise<void> {
    const taken = this.seated.map(({ place }) => place);
    const place = Array.from({ length: this.rounds!.places }, (_, i) => i).find((i) => !taken.includes(i))!;
    try {
      await this.rounds!.seat(place, member.text);
      member.place = place;
      member.firstRound = this.submitted;
    } catch (error) {
      this.dismiss(member, error);
    }
  }

  private async readOldest(): Promise<void> {
    const outcomes = await this.rounds!.read();
    const round = this.submitted - this.unread--;
    for (const member of this.seated) {
      // A place may have had another text when the round was submitted.
      if (member.firstRound > round) continue;
      const outcome = outcomes[member.place!];
      try {
        if (outcome === undefined || !member.take(outcome)) this.dismiss(member);
      } catch (error) {
        this.dismiss(member, error);
      }
    }
  }

  private tellEnds(): void {
    const read = this.submitted - this.unread;
    const due = this.leaving.filter(({ before }) => before <= read);
    this.leaving = this.leaving.filter(({ before }) => before > read);
    for (const { tell } of due) tell();
  }

  private dismiss(member: Member<Text, Outcome, Round>, error?: unknown): void {
    const { place, turn } = member;
    this.members.delete(member);
    if (place !== undefined) this.rounds!.clear(place);
    if (turn !== undefined && ![...this.members].some((other) => other.turn === turn)) this.turns.delete(turn);
    const tell = () => (error === undefined ? member.resolve() : member.reject(error));
    // A process may end with its last text, and drivers do not bear that while a round is under way.
    if (this.members.size === 0) this.leaving.push({ before: this.submitted, tell });
    else tell();
  }
}
