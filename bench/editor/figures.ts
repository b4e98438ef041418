import { type Keystroke, keystrokesOf, type Outcome } from "./keystrokes.ts";
import type { SeenRequest } from "./messages.ts";
import { type Sitting, textsAfterKeys } from "./person.ts";
import type { FunctionTime } from "./profile.ts";
import type { ReplayedSitting } from "./replay.ts";

/** Milliseconds; undefined where there was nothing to measure. */
export interface Spread {
  readonly count: number;
  readonly p50: number | undefined;
  readonly p95: number | undefined;
}

/** A part of the way from a key to a suggestion that needed a request of its own; the means add up to the whole. */
export interface Part {
  readonly name: PartName;
  readonly count: number;
  readonly mean: number | undefined;
  readonly p50: number | undefined;
  readonly p95: number | undefined;
}

export type PartName = keyof ReturnType<typeof partsOf> | keyof ReturnType<typeof engineParts>;

export interface Figures {
  readonly keystrokes: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** From key to suggestion, where one was shown: of all keystrokes, and of those by what the suggestion took. */
  readonly all: Spread;
  readonly neededModel: Spread;
  /** Of these: with a request of their own, and with one that an earlier keystroke had sent. */
  readonly asked: Spread;
  readonly joined: Spread;
  readonly fromCache: Spread;
  readonly keptByEditor: Spread;
  /** Share of the suggestions that needed the model with more than one line. */
  readonly multiLineShare: number | undefined;
  readonly hostMs: Spread & { readonly mean: number | undefined };
  /** With what the thread waited for a processor. */
  readonly hostWallMs: Spread;
  /** Where that time went: by function, milliseconds a keystroke. */
  readonly hostFunctions: readonly FunctionTime[];
  readonly requestsPerKeystroke: number;
  readonly prefetchesPerKeystroke: number;
  /** Of the editor's calls of the provider. */
  readonly cacheHitRate: number | undefined;
  readonly joinedRate: number | undefined;
  readonly suggestions: SuggestionFigures;
  /** Where the time of suggestions with a request of their own went. */
  readonly parts: readonly Part[];
  /** Within the engine, where the request was not cancelled later. */
  readonly engineParts: readonly Part[];
}

export interface SuggestionFigures {
  /** Different ones that were returned uncancelled; one that is typed into or grows counts once. */
  readonly offered: number;
  readonly perKeystroke: number;
  /** Shares of those whose whole text, or whose first line, was then typed letter by letter. */
  readonly typedThrough: number | undefined;
  readonly firstLineTypedThrough: number | undefined;
}

export function figuresOf(replayed: readonly ReplayedSitting[]): Figures {
  const keystrokes = replayed.map(({ sitting, page, host }) => keystrokesOf(sitting, page, host));
  const all = keystrokes.flat();
  const requests = replayed.flatMap(({ host }) => host.requests);
  const asks = replayed.flatMap(({ host }) => host.asks);
  const shown = (isWanted: (keystroke: Keystroke) => boolean) =>
    spreadOf(all.filter((keystroke) => keystroke.shownMs !== undefined && isWanted(keystroke)).map(shownMs));
  const needed = all.filter(({ source }) => source === "asked" || source === "joined");
  const owned = all.filter(({ source }) => source === "asked");
  const hostMs = all.map((keystroke) => keystroke.hostMs);
  const sent = (priority: SeenRequest["priority"]) =>
    requests.filter((request) => request.priority === priority).length;
  const countOf = (outcome: Outcome) => all.filter((keystroke) => keystroke.outcome === outcome).length;
  return {
    keystrokes: all.length,
    outcomes: {
      shown: countOf("shown"),
      nothing: countOf("nothing"),
      hidden: countOf("hidden"),
      overtaken: countOf("overtaken"),
    },
    all: shown(() => true),
    neededModel: spreadOf(needed.map(shownMs)),
    asked: spreadOf(owned.map(shownMs)),
    joined: shown(({ source }) => source === "joined"),
    fromCache: shown(({ source }) => source === "cache"),
    keptByEditor: shown(({ source }) => source === "editor"),
    multiLineShare: share(needed, ({ lines }) => lines! > 1),
    hostMs: { ...spreadOf(hostMs), mean: mean(hostMs) },
    hostWallMs: spreadOf(all.map((keystroke) => keystroke.hostWallMs)),
    hostFunctions: functionsOf(replayed, all.length),
    requestsPerKeystroke: sent("typed") / all.length,
    prefetchesPerKeystroke: sent("prefetch") / all.length,
    cacheHitRate: share(asks, ({ source }) => source === "cache"),
    joinedRate: share(asks, ({ source }) => source === "joined"),
    suggestions: suggestionFigures(replayed.map(({ sitting }, index) => [sitting, keystrokes[index]!])),
    parts: summed(owned.map(partsOf)),
    engineParts: summed(owned.flatMap(({ request }) => (request?.statistics ? [engineParts(request)] : []))),
  };
}

/** The value below which a share of the values lies (nearest rank). */
export function percentile(values: readonly number[], part: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
}

function spreadOf(values: readonly number[]): Spread {
  return { count: values.length, p50: percentile(values, 0.5), p95: percentile(values, 0.95) };
}

function shownMs(keystroke: Keystroke): number {
  return keystroke.shownMs!;
}

function partsOf({ at, ask, request, shownMs }: Keystroke) {
  const { sentAt, firstTextAt = ask!.answer!.at } = request!;
  return {
    "until the editor asks (its 50 ms and the way to the extension host)": ask!.at - at,
    "until the extension asks the engine (its own debounce)": sentAt - ask!.at,
    "until the first text": firstTextAt - sentAt,
    "until whole lines are there": ask!.answer!.at - firstTextAt,
    "until it is on the screen": at + shownMs! - ask!.answer!.at,
  };
}

function engineParts({ sentAt, firstTextAt, endedAt, statistics }: SeenRequest) {
  const { waitedMs, promptMs, firstTokenMs } = statistics!;
  return {
    "waiting for other requests": waitedMs,
    "reading the prompt": promptMs,
    "the first token after it": firstTokenMs - promptMs,
    "packing the prompt, and the way there and back": (firstTextAt ?? endedAt!) - sentAt - waitedMs - firstTokenMs,
  };
}

function summed<Name extends PartName>(samples: readonly Readonly<Record<Name, number>>[]): Part[] {
  const names = Object.keys(samples[0] ?? {}) as Name[];
  return names.map((name) => {
    const values = samples.map((sample) => sample[name]);
    return { name, mean: mean(values), ...spreadOf(values) };
  });
}

function suggestionFigures(sittings: readonly (readonly [Sitting, readonly Keystroke[]])[]): SuggestionFigures {
  const found = sittings.flatMap(([sitting, keystrokes]) => {
    const written = textsAfterKeys(sitting).at(-1)!.before;
    return suggestionsOf(keystrokes).map(({ before, text }) => {
      const [firstLine] = text.trimStart().split("\n");
      const lead = text.slice(0, text.length - text.trimStart().length);
      return {
        whole: written.startsWith(before + text.trimEnd()),
        firstLine: written.startsWith(before + lead + firstLine!.trimEnd()),
      };
    });
  });
  return {
    offered: found.length,
    perKeystroke: found.length / sittings.reduce((sum, [, keystrokes]) => sum + keystrokes.length, 0),
    typedThrough: share(found, ({ whole }) => whole),
    firstLineTypedThrough: share(found, ({ firstLine }) => firstLine),
  };
}

/** What was offered, each with the text before the cursor when it first was, at its longest. */
function suggestionsOf(keystrokes: readonly Keystroke[]): { readonly before: string; readonly text: string }[] {
  const suggestions: { before: string; text: string }[] = [];
  for (const { before, ask } of keystrokes) {
    if (ask?.answer?.text === undefined || ask.answer.isCancelled) continue;
    const { text } = ask.answer;
    const last = suggestions.at(-1);
    const [known, found] = [last === undefined ? "" : last.before + last.text, before + text];
    if (last === undefined || !(known.startsWith(found) || found.startsWith(known))) suggestions.push({ before, text });
    else if (found.length > known.length && before.startsWith(last.before)) last.text = found.slice(last.before.length);
  }
  return suggestions;
}

function share<Item>(items: readonly Item[], isCounted: (item: Item) => boolean): number | undefined {
  return items.length === 0 ? undefined : items.filter(isCounted).length / items.length;
}

function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The functions of all sittings, milliseconds a keystroke, the longest first. */
function functionsOf(replayed: readonly ReplayedSitting[], keystrokes: number): FunctionTime[] {
  const total = new Map<string, number>();
  for (const { name, ms } of replayed.flatMap(({ host }) => host.functions))
    total.set(name, (total.get(name) ?? 0) + ms);
  return [...total].map(([name, ms]) => ({ name, ms: ms / keystrokes })).sort((a, b) => b.ms - a.ms);
}
