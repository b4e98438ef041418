import { CancellationToken } from "vscode-jsonrpc/node";
import { cursorFacts } from "../engine/completion/facts.ts";
import type { Snippet } from "../protocol/messages.ts";
import type { Token } from "./cancellation.ts";
import type { Clock } from "./clock.ts";
import { CompletionCache } from "./completionCache.ts";
import { Debounce } from "./debounce.ts";
import { continuationOf, type DocumentState, remainderOf, stateAfter } from "./documentState.ts";
import { type EngineAccess, writerOf } from "./engine.ts";
import { firstLine } from "./firstLine.ts";
import { type Arrival, InFlight, type NoArrival } from "./inFlight.ts";
import { Prefetch } from "./prefetch.ts";
import { type EditorFacts, refusalByEditor, refusalByEngine, refusalByPlace, type Trigger } from "./requestPolicy.ts";
import type { Settings } from "./settings.ts";
import { engineFailed, type NoSuggestion, type SuggestionLog } from "./suggestionLog.ts";

/** A wish for a suggestion. */
export interface Ask {
  readonly editor: EditorFacts;
  readonly trigger: Trigger;
  readonly settings: Settings;
  /** Suggestions appear only when they are asked for, whatever the settings say. */
  readonly isPaused: boolean;
  /** Reads the text around the cursor; undefined where the suggestion widget's item cannot be continued. */
  read(): AskedPlace | undefined;
  /** Relative to the workspace, with "/". */
  readonly path: string | undefined;
  /** Pieces of other files, best first. */
  snippets(): readonly Snippet[];
  /** Whether the user is still where this was asked, with nothing changed. */
  isCurrent(): boolean;
  /** Asks the editor to ask again, because there is an answer now. */
  offerAgain(): void;
}

export interface AskedPlace {
  readonly state: DocumentState;
  readonly restOfLine: string;
  /** The state has text that is not in the document yet: the suggestion widget's. */
  readonly isAhead: boolean;
}

export interface Offer {
  readonly state: DocumentState;
  /** To insert at the cursor in place of `closed`, best first; at least one. */
  readonly texts: readonly string[];
  /** The first characters behind the cursor, which the texts contain: brackets that the editor closed. */
  readonly closed: string;
}

/** How often what happened, since the window opened. */
export interface CompletionFigures {
  asked: number;
  fromCache: number;
  /** Waited for a request that an earlier keystroke had sent. */
  joined: number;
  requests: number;
  prefetches: number;
}

/** After this time complete lines are shown although more may come. */
const patienceMs = 300;
/**
 * A request for which nobody waits any more is looked at after this time: given up where the user has gone elsewhere. VS Code
 * (1.139) waits 750 ms before it shows its own list instead; whoever sits there still gets the suggestion when it comes.
 */
const abandonMs = 300;
const manualAlternatives = 3;

/** Finds suggestions: in the cache, in the request that is in flight, or by asking the engine. One request at a time. */
export class Completer {
  readonly figures: CompletionFigures = { asked: 0, fromCache: 0, joined: 0, requests: 0, prefetches: 0 };
  private readonly cache = new CompletionCache();
  private readonly debounce = new Debounce();
  private readonly prefetch: Prefetch;
  private flight: InFlight | undefined;
  /** Unfinished texts that were returned, with the states for which they were. */
  private readonly returned = new WeakMap<InFlight, { readonly state: DocumentState; readonly arrival: Arrival }[]>();
  /** Those whose states have text that is not in the document yet. */
  private readonly ahead = new WeakSet<InFlight>();
  /** What answered when the cache was last looked at; undefined while no model has. */
  private model: string | undefined;
  private turn = 0;
  private lastAsked = Number.NEGATIVE_INFINITY;
  private stopAbandoning: (() => void) | undefined;

  constructor(
    private readonly engine: Pick<EngineAccess, "complete" | "state">,
    private readonly log: SuggestionLog,
    private readonly clock: Clock,
    private mayLookAhead: boolean,
  ) {
    this.prefetch = new Prefetch(engine, this.cache, clock);
  }

  /** Nothing is running and nothing was wanted for `ms`; then work ahead of the user disturbs nobody. */
  isIdleFor(ms: number): boolean {
    return !this.isBusy && !this.prefetch.isRunning && this.clock.now() - this.lastAsked >= ms;
  }

  /** Undefined where there is nothing to suggest; the log then knows why. Never rejects. */
  async provide(ask: Ask, token: Token): Promise<Offer | undefined> {
    this.stopAbandoning?.();
    this.figures.asked += 1;
    this.lastAsked = this.clock.now();
    try {
      const offer = await this.find(ask, token);
      if (!("stage" in offer)) {
        this.log.shown();
        return offer;
      }
      this.log.stopped(offer);
    } catch (error) {
      this.log.stopped({ stage: "internal", detail: error instanceof Error ? error.message : String(error) });
    }
    return undefined;
  }

  /** The cursor stands elsewhere, or the text around it is another (undefined: in no editor): gives up what no longer fits. */
  moved(read: () => DocumentState | undefined): void {
    const { flight } = this;
    if (flight === undefined || flight.isOver) return;
    const state = read();
    if (state !== undefined && flight.leadsTo(state)) return;
    const comesTrue =
      state !== undefined && this.ahead.has(flight) && continuationOf(state, flight.state) !== undefined;
    if (!comesTrue) flight.cancel();
  }

  /** Whether work is done that nobody waits for yet: at first as the constructor was told. */
  set looksAhead(wanted: boolean) {
    this.mayLookAhead = wanted;
    if (!wanted) this.prefetch.stop();
  }

  /** Forgets everything: other settings or other context would have been answered otherwise. */
  invalidate(): void {
    this.cache.clear();
    this.flight?.cancel();
    this.flight = undefined;
    this.prefetch.stop();
  }

  /** What another model has answered is not this one's. */
  private forgetOtherModel(): void {
    const { state } = this.engine;
    if (state.kind !== "ready") return;
    const model = writerOf(state.model);
    // What was asked while the first model was loading is answered by it.
    if (this.model !== undefined && this.model !== model) this.invalidate();
    this.model = model;
  }

  /** A request for a suggestion is on its way. */
  get isBusy(): boolean {
    return this.flight !== undefined && !this.flight.hasEnded;
  }

  private async find(ask: Ask, token: Token): Promise<Offer | NoSuggestion> {
    const turn = ++this.turn;
    this.forgetOtherModel();
    const { trigger } = ask;
    const refused = refusalOf(ask, this.engine.state);
    const place = refused === undefined ? ask.read() : undefined;
    if (place === undefined) {
      this.moved(() => undefined);
      return refused ?? { stage: "widget" };
    }
    const { state } = place;
    if (trigger === "automatic") this.debounce.typed(this.clock.now());
    const misplaced = refusalByPlace(place.restOfLine, trigger);
    if (misplaced !== undefined) {
      this.moved(() => state);
      return misplaced;
    }

    const alternatives = alternativesOf(ask);
    const known = this.cache.find(state);
    if (known !== undefined && known.alternatives >= alternatives) {
      this.figures.fromCache += 1;
      this.moved(() => state);
      return this.offer(ask, state, known);
    }

    let outcome: Arrival | NoArrival = "diverged";
    let { flight } = this;
    if (flight?.leadsTo(state) && flight.options.alternatives >= alternatives) {
      this.figures.joined += 1;
      outcome = await this.arrival(flight, ask, place, token);
    }
    if (outcome === "diverged") {
      if (token.isCancellationRequested || turn !== this.turn) return { stage: "typing" };
      flight?.cancel();
      const idle = this.isIdle;
      this.prefetch.stop();
      if (trigger === "automatic") await this.pause(this.debounce.delay(idle), token);
      if (token.isCancellationRequested || turn !== this.turn) return { stage: "typing" };
      flight = this.request(ask, place, alternatives);
      outcome = await this.arrival(flight, ask, place, token);
    }
    if (typeof outcome === "object") return this.offer(ask, state, outcome);
    if (outcome !== "ended" || flight!.isCancelled) return { stage: "typing" };
    return flight!.failure === undefined ? { stage: "yielded" } : engineFailed(flight!.failure);
  }

  /** Whether the engine could begin at once; a prefetch gives way without delay. */
  private get isIdle(): boolean {
    const { state } = this.engine;
    return !this.isBusy && state.kind === "ready" && (!state.busy || this.prefetch.isRunning);
  }

  private pause(ms: number, token: Token): Promise<void> {
    if (ms === 0 || token.isCancellationRequested) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        stopTimer();
        listener.dispose();
        resolve();
      };
      const stopTimer = this.clock.after(ms, done);
      const listener = token.onCancellationRequested(done);
    });
  }

  private request(ask: Ask, { state, isAhead }: AskedPlace, alternatives: number): InFlight {
    const { maxTokens } = ask.settings;
    const options = { path: ask.path, snippets: ask.snippets(), maxTokens, alternatives, priority: "typed" } as const;
    const flight = new InFlight(this.engine, state, options, this.clock);
    this.figures.requests += 1;
    this.flight = flight;
    if (isAhead) this.ahead.add(flight);
    void flight.ended.then(() => this.keep(flight, ask));
    return flight;
  }

  private async arrival(flight: InFlight, ask: Ask, place: AskedPlace, token: Token): Promise<Arrival | NoArrival> {
    const { state } = place;
    const arrival = await flight.arrival(state, token, patienceOf(ask));
    if (arrival === "cancelled") this.abandonLater(flight, ask, place);
    if (typeof arrival !== "object") return arrival;
    if (!this.returned.has(flight)) {
      this.debounce.answered(flight.tookMs);
      this.returned.set(flight, []);
    }
    if (arrival.final) return arrival;
    if (ask.settings.multiline === "never" && ask.trigger === "automatic") {
      // What follows the first line would be thrown away.
      flight.cancel();
      const typed = state.prefix.slice(flight.state.prefix.length);
      this.cache.put(flight.state, [typed + arrival.texts[0]!]);
    } else {
      this.returned.get(flight)!.push({ state, arrival });
    }
    return arrival;
  }

  private abandonLater(flight: InFlight, ask: Ask, place: AskedPlace): void {
    this.stopAbandoning?.();
    this.stopAbandoning = this.clock.after(abandonMs, () => {
      if (ask.isCurrent()) void this.offerLate(flight, ask, place);
      else flight.cancel();
    });
  }

  /** The editor is made to ask again when there is an answer, not before: it would take what the user triggers meanwhile for the same. */
  private async offerLate(flight: InFlight, ask: Ask, place: AskedPlace): Promise<void> {
    const { turn } = this;
    const isWaitedFor = () => turn === this.turn && ask.isCurrent();
    const arrivalOf = (late: InFlight) => late.arrival(place.state, CancellationToken.None, patienceOf(ask));
    let arrival = await arrivalOf(flight);
    if (arrival === "diverged" && isWaitedFor()) {
      // What was asked for an earlier keystroke is of no use for this one.
      flight.cancel();
      this.prefetch.stop();
      arrival = await arrivalOf(this.request(ask, place, alternativesOf(ask)));
    }
    if (typeof arrival === "object" && arrival.texts.length > 0 && isWaitedFor()) ask.offerAgain();
  }

  /** Keeps a finished completion for its own state and for those after the parts of it that were shown before. */
  private keep(flight: InFlight, ask: Ask): void {
    const text = flight.result?.texts[0];
    if (flight.result === undefined || flight.isCancelled) return;
    this.cache.put(flight.state, flight.result.texts, flight.options.alternatives);
    const shown = this.returned.get(flight) ?? [];
    for (const { state, arrival } of shown) {
      const accepted = stateAfter(state, arrival.texts[0]!, arrival.closed.length);
      const continuation = continuationOf(flight.state, accepted);
      const rest = continuation === undefined ? undefined : remainderOf(text ?? "", continuation);
      if (rest !== undefined) this.cache.put(accepted, [rest]);
    }
    if (shown.length > 0 && this.flight === flight && text) this.lookAhead(ask, stateAfter(flight.state, text));
  }

  private offer(ask: Ask, state: DocumentState, arrival: Pick<Arrival, "texts" | "closed">): Offer | NoSuggestion {
    const { closed } = arrival;
    const oneLine = ask.settings.multiline === "never" && ask.trigger === "automatic";
    const facts = oneLine ? cursorFacts(state.prefix, state.suffix, state.languageId) : undefined;
    const texts = facts === undefined ? arrival.texts : arrival.texts.map((text) => firstLine(text, facts));
    const [first] = texts;
    if (first === undefined) return { stage: "nothingToAdd" };
    this.lookAhead(ask, stateAfter(state, first, closed.length));
    return { state, texts, closed };
  }

  private lookAhead(ask: Ask, state: DocumentState): void {
    const restOfLine = /^[^\r\n]*/.exec(state.suffix)![0];
    if (!this.mayLookAhead || ask.isPaused || !ask.settings.prefetch || this.isBusy) return;
    if (refusalByPlace(restOfLine, "automatic") ?? refusalByEngine(this.engine.state)) return;
    const options = { path: ask.path, snippets: ask.snippets(), maxTokens: ask.settings.maxTokens };
    if (this.prefetch.start(state, options)) this.figures.prefetches += 1;
  }
}

function refusalOf(
  { editor, settings, trigger, isPaused }: Ask,
  state: EngineAccess["state"],
): NoSuggestion | undefined {
  if (isPaused && trigger === "automatic") return { stage: "paused" };
  return refusalByEditor(editor, settings, trigger) ?? refusalByEngine(state);
}

function alternativesOf({ trigger }: Ask): number {
  return trigger === "manual" ? manualAlternatives : 1;
}

/** How long a whole block is waited for, in milliseconds; undefined for as long as it takes. */
function patienceOf({ trigger, settings }: Ask): number | undefined {
  if (trigger === "manual" || settings.multiline === "always") return undefined;
  return settings.multiline === "never" ? 0 : patienceMs;
}
