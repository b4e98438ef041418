import { CancellationTokenSource } from "vscode-jsonrpc";
import { type Ask, Completer, type Offer } from "../../../src/extension/completer.ts";
import { readSurroundings } from "../../../src/extension/documentContext.ts";
import type { DocumentState } from "../../../src/extension/documentState.ts";
import { defaultSettings, type Settings } from "../../../src/extension/settings.ts";
import { SuggestionLog } from "../../../src/extension/suggestionLog.ts";
import { FakeClock, settled } from "./fakeClock.ts";
import { ScriptedEngine } from "./scriptedEngine.ts";
import { linesOf } from "./textSource.ts";

/** What a test may change in a wish for a suggestion. */
export interface Wish {
  readonly settings?: Partial<Settings>;
  readonly trigger?: Ask["trigger"];
  readonly editor?: Partial<Ask["editor"]>;
  readonly isAhead?: boolean;
  readonly indentation?: DocumentState["indentation"];
  readonly isPaused?: boolean;
  /** The user has not gone on when the editor stops waiting. */
  readonly staysThere?: boolean;
}

/** One call of the provider. */
export interface Asked {
  readonly offer: Promise<Offer | undefined>;
  /** As the editor does at the next keystroke. */
  cancel(): void;
}

const english = { t: (message: string) => message };

/** The state of a document with the cursor at "|". */
export function stateOf(text: string, languageId = "typescript", uri = "file:///a.ts"): DocumentState {
  return placeOf(text, languageId, uri).state;
}

export function placeOf(text: string, languageId = "typescript", uri = "file:///a.ts") {
  const cursor = text.indexOf("|");
  const above = text.slice(0, cursor).split(/\r?\n/);
  const source = linesOf(text.slice(0, cursor) + text.slice(cursor + 1));
  const place = { line: above.length - 1, character: above.at(-1)!.length };
  const { start, prefix, suffix, restOfLine } = readSurroundings(source, place);
  return { state: { uri, languageId, start, prefix, suffix }, restOfLine };
}

/** A completer with an engine and a clock that the test moves. */
export class Desk {
  readonly clock = new FakeClock();
  /** How often the editor was told that there is an answer now. */
  offersAgain = 0;
  readonly engine = new ScriptedEngine();
  readonly log = new SuggestionLog();
  readonly completer: Completer;

  constructor(looksAhead = true) {
    this.completer = new Completer(this.engine, this.log, this.clock, looksAhead);
  }

  /** Asks for a suggestion at "|". */
  ask(text: string, wish: Wish = {}): Asked {
    const source = new CancellationTokenSource();
    const editor = { scheme: "file", path: "/a.ts", languageId: "typescript", readOnly: false, cursors: 1 };
    const ask: Ask = {
      editor: { ...editor, hasSelection: false, ...wish.editor },
      trigger: wish.trigger ?? "automatic",
      settings: { ...defaultSettings, ...wish.settings },
      isPaused: wish.isPaused ?? false,
      read: () => {
        const { state, restOfLine } = placeOf(text);
        return { state: { ...state, indentation: wish.indentation }, restOfLine, isAhead: wish.isAhead ?? false };
      },
      isCurrent: () => wish.staysThere ?? false,
      offerAgain: () => {
        this.offersAgain += 1;
      },
      path: "a.ts",
      snippets: () => [],
    };
    return { offer: this.completer.provide(ask, source.token), cancel: () => source.cancel() };
  }

  /** Asks and lets the engine answer what it needs to; the prefetch that follows is left alone. */
  async complete(text: string, answer: string, wish: Wish = {}): Promise<Offer | undefined> {
    const asked = this.ask(text, wish);
    await this.clock.advance(150);
    this.engine.latest.finish(answer);
    return asked.offer;
  }

  /** The cursor moved, as the editor tells before it asks again. */
  async move(text: string): Promise<void> {
    this.completer.moved(() => stateOf(text));
    await settled();
  }

  get stage() {
    return this.log.explain(english).stage;
  }
}
