import { type CancellationToken, CancellationTokenSource } from "vscode-jsonrpc";
import { changedRange, type OffsetRange, type TextChange } from "./generateRange.ts";

/** The document in which generated code is reviewed, by offsets in UTF-16 units. */
export interface ReviewedDocument {
  textIn(range: OffsetRange): string;
  /**
   * Replaces a part and joins the edit to the one before in the undo history, unless it is to begin or end a step of its own.
   * Resolves to false where the editor refused, having changed meanwhile.
   */
  replace(
    range: OffsetRange,
    text: string,
    undo: { readonly before: boolean; readonly after: boolean },
  ): Promise<boolean>;
}

/** Generated code as the engine answers. */
export interface Answer {
  readonly text: string;
  /** Its end is missing. */
  readonly cut: boolean;
  readonly note?: string;
}

/** Asks the engine; resolves to undefined where the request was cancelled or the engine died. */
export type Ask = (token: CancellationToken, onText: (text: string) => void) => Promise<Answer | undefined>;

export type ReviewState = "generating" | "reviewing" | "accepted" | "rejected";

export interface ReviewListener {
  /** State or range are others than before. */
  changed(): void;
  /** Something the user should be told in one sentence. */
  tell(kind: "note" | "failure", message: string): void;
  /** What is told where the model wrote nothing, and where it was stopped before it was done. */
  readonly nothingWritten: string;
  readonly wasCut: string;
}

/** Edits that an editor refuses one after another before it is given up. */
const mostRefusals = 20;

/**
 * Generated code on its way into a document: written as it comes, then kept or taken back. The range of the document that it
 * takes follows what is edited elsewhere meanwhile, so that taking back restores just what stood there.
 */
export class GenerationReview {
  private current: ReviewState = "generating";
  private run = 0;
  private cancellation = new CancellationTokenSource();
  private wanted: string | undefined;
  private writing: Promise<void> | undefined;
  private ownChange: TextChange | undefined;
  private hasWritten = false;
  readonly original: string;

  constructor(
    private readonly document: ReviewedDocument,
    private place: OffsetRange,
    private readonly listener: ReviewListener,
  ) {
    this.original = document.textIn(place);
  }

  get state(): ReviewState {
    return this.current;
  }

  /** Where the code stands, or what it is to replace while none has come. */
  get range(): OffsetRange {
    return this.place;
  }

  get ended(): boolean {
    return this.current === "accepted" || this.current === "rejected";
  }

  /** Asks for the code, the first time or again, and writes it; resolves when it can be reviewed or the review has ended. */
  async generate(ask: Ask): Promise<void> {
    if (this.ended) return;
    this.stopAsking();
    const run = ++this.run;
    this.enter("generating");
    try {
      const answer = await ask(this.cancellation.token, (text) => {
        if (run === this.run && text !== "") void this.write(text);
      });
      if (run !== this.run) return;
      if (answer?.text) await this.write(answer.text);
      if (run !== this.run) return;
      if (answer?.note !== undefined) this.listener.tell("note", answer.note);
      if (answer?.cut) this.listener.tell("note", this.listener.wasCut);
      else if (answer?.text === "") this.listener.tell("note", this.listener.nothingWritten);
    } catch (error) {
      if (run !== this.run) return;
      this.listener.tell("failure", (error as Error).message);
    }
    await this.settle();
  }

  /** Ends the request; what has come of it can be reviewed. */
  async cancel(): Promise<void> {
    if (this.current !== "generating") return;
    this.stopAsking();
    await this.settle();
  }

  accept(): void {
    if (this.current === "reviewing") this.enter("accepted");
  }

  /** Puts back exactly what stood there before, as one step of the undo history. */
  async reject(): Promise<void> {
    if (this.ended) return;
    this.stopAsking();
    this.wanted = undefined;
    await this.writing;
    if (this.hasWritten) await this.replaceAll(this.original, { before: true, after: true });
    this.enter("rejected");
  }

  /** The document is gone, and with it what could be taken back. */
  close(): void {
    if (this.ended) return;
    this.stopAsking();
    this.wanted = undefined;
    this.enter("accepted");
  }

  /** Must be told of every change of the document, its own included, in the order in which they are applied. */
  documentChanged(changes: readonly TextChange[]): void {
    if (this.ended) return;
    let foreign = false;
    for (const change of changes) {
      const own = this.ownChange !== undefined && isSame(change, this.ownChange);
      if (own) this.ownChange = undefined;
      else foreign = true;
      this.place = changedRange(this.place, change, own);
    }
    const undone = foreign && this.hasWritten && this.current === "reviewing";
    if (undone && this.document.textIn(this.place) === this.original) this.enter("rejected");
    else this.listener.changed();
  }

  private stopAsking(): void {
    this.run += 1;
    this.cancellation.cancel();
    this.cancellation = new CancellationTokenSource();
  }

  /** What was written waits for a decision; where nothing was, there is nothing to decide. */
  private async settle(): Promise<void> {
    await this.writing;
    if (this.current !== "generating") return;
    this.enter(this.hasWritten ? "reviewing" : "rejected");
  }

  private enter(state: ReviewState): void {
    this.current = state;
    this.listener.changed();
  }

  /** Brings the document to the newest text; texts that come while an edit is under way are skipped. */
  private write(text: string): Promise<void> {
    this.wanted = text;
    this.writing ??= this.writeWanted()
      .catch((error: Error) => this.listener.tell("failure", error.message))
      .finally(() => {
        this.writing = undefined;
      });
    return this.writing;
  }

  private async writeWanted(): Promise<void> {
    while (this.wanted !== undefined) {
      const text = this.wanted;
      this.wanted = undefined;
      await this.replaceAll(text, { before: !this.hasWritten, after: false });
      this.hasWritten = true;
    }
  }

  /** Only what differs at the end is replaced, so that the text above does not flicker. */
  private async replaceAll(text: string, undo: { before: boolean; after: boolean }): Promise<void> {
    for (let refusals = 0; refusals < mostRefusals; refusals++) {
      const shown = this.document.textIn(this.place);
      if (shown === text) return;
      const common = commonStart(shown, text);
      const range = { start: this.place.start + common, end: this.place.end };
      const addition = text.slice(common);
      this.ownChange = { offset: range.start, length: range.end - range.start, text: addition };
      const done = await this.document.replace(range, addition, undo);
      this.ownChange = undefined;
      if (done) return;
    }
    throw new Error("The editor refused the generated code: the document changes too fast.");
  }
}

function isSame(a: TextChange, b: TextChange): boolean {
  return a.offset === b.offset && a.length === b.length && a.text === b.text;
}

/** Length of the common beginning, cut neither within a character nor within a line end. */
function commonStart(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  const splits = /[\ud800-\udbff\r]/.test(a.charAt(length - 1));
  return splits ? length - 1 : length;
}
