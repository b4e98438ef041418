import type { SeenAsk, SeenInHost, SeenRequest } from "./messages.ts";
import type { Moment, SeenInPage, Sight } from "./page.ts";
import { type Sitting, textsAfterKeys } from "./person.ts";
import { lineAt, placeOf, type TypedText } from "./typing.ts";

export type Outcome =
  /** A suggestion for the text after it stood on the screen before the next key. */
  | "shown"
  /** The provider had nothing to suggest. */
  | "nothing"
  /** The provider returned something that the editor did not draw. */
  | "hidden"
  /** The next key came first. */
  | "overtaken";

/** What became of one key. Times are in milliseconds. */
export interface Keystroke {
  readonly at: Moment;
  readonly outcome: Outcome;
  /** From the key to the suggestion on the screen. */
  readonly shownMs?: number;
  /** Lines of that suggestion. */
  readonly lines?: number;
  /** What that suggestion took; "editor": it was on the screen already, and the editor shortened it by what was typed. */
  readonly source?: SeenAsk["source"] | "editor";
  /** Time of the extension host's thread for the extension's code, until the next key. */
  readonly hostMs: number;
  /** The same with what the thread waited for a processor. */
  readonly hostWallMs: number;
  /** The provider's last call for the text after this key, and the request it sent or joined. */
  readonly ask?: SeenAsk;
  readonly request?: SeenRequest;
  /** Text before the cursor, of the whole file. */
  readonly before: string;
}

/** Brings together what the keys were, what the page saw and what the extension host saw. */
export function keystrokesOf(sitting: Sitting, page: SeenInPage, host: SeenInHost): Keystroke[] {
  if (page.keys.length !== sitting.keys.length) {
    throw new Error(`${sitting.keys.length} keys were pressed, but the page saw ${page.keys.length}.`);
  }
  const texts = textsAfterKeys(sitting).slice(1);
  return texts.map((text, index) => {
    const at = page.keys[index]!;
    const next = page.keys[index + 1] ?? Number.POSITIVE_INFINITY;
    const isDuring = (moment: Moment) => moment >= at && moment < next;
    const sight = page.sights.find((seen) => isDuring(seen.at) && shows(seen, text));
    const asks = host.asks.filter((ask) => isDuring(ask.at) && isAt(ask, text));
    const work = host.work.filter((part) => isDuring(part.at));
    const hostMs = work.reduce((sum, { ms }) => sum + ms, 0);
    const hostWallMs = work.reduce((sum, { wallMs }) => sum + wallMs, 0);
    const common = { at, hostMs, hostWallMs, before: text.before };
    if (sight === undefined) {
      const ask = asks.at(-1);
      return { ...common, outcome: outcomeWithoutSight(ask), ...withRequest(ask, host) };
    }
    const ask = asks.findLast(({ answer }) => answer?.text !== undefined && answer.at <= sight.at);
    const shown = {
      shownMs: sight.at - at,
      lines: sight.ghost.split("\n").filter((line) => line.trim() !== "").length,
    };
    return {
      ...common,
      ...shown,
      outcome: "shown",
      source: ask?.source ?? "editor",
      ...withRequest(ask ?? asks.at(-1), host),
    };
  });
}

function shows({ ghost, line }: Sight, text: TypedText): boolean {
  const { left, right } = lineAt(text);
  return ghost.trim() !== "" && (line === undefined || line === left + right);
}

function isAt(ask: SeenAsk, text: TypedText): boolean {
  const { line, character } = placeOf(text);
  return ask.line === line && ask.character === character;
}

function outcomeWithoutSight(ask: SeenAsk | undefined): Outcome {
  if (ask?.answer === undefined || ask.answer.isCancelled) return "overtaken";
  return ask.answer.text === undefined ? "nothing" : "hidden";
}

function withRequest(ask: SeenAsk | undefined, { requests }: SeenInHost) {
  const request = requests.find(({ id }) => id === ask?.request);
  return { ...(ask === undefined ? {} : { ask }), ...(request === undefined ? {} : { request }) };
}
