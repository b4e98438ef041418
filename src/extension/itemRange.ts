/** What a suggestion is to be shown in. */
export interface ItemPlace {
  /** The cursor's line before the cursor (before the suggestion widget's range, where that is open). */
  readonly linePrefix: string;
  /** The suggestion widget's text, which replaces from there to the cursor or beyond. */
  readonly selectedText?: string;
  /** The line behind what is replaced so far. */
  readonly restOfLine: string;
  /** First characters of `restOfLine` that the text contains: brackets that the editor closed. */
  readonly closed: string;
}

/** An inline completion item's text and its range on the cursor's line, relative to the ends of what is replaced anyway. */
export interface ItemRange {
  readonly insertText: string;
  /** Characters before the cursor (before the widget's range) that the range begins. */
  readonly before: number;
  /** Characters behind it that the range ends. */
  readonly after: number;
}

/** A longer line is not given back to the editor as part of every item. */
const longestRepeated = 500;

/**
 * Lays `text`, which is to stand at the cursor, into a range of one line. It begins with the line, since the editor then
 * goes on showing the item while the user deletes what was typed; it ends at the cursor, or at the line's end where the
 * text closes brackets behind the cursor or has several lines.
 */
export function itemRange(text: string, place: ItemPlace): ItemRange {
  const { linePrefix, selectedText, restOfLine, closed } = place;
  const repeated = selectedText === undefined && linePrefix.length <= longestRepeated ? linePrefix : "";
  const beginning = repeated + (selectedText ?? "");
  const replaces = closed !== "" || (text.includes("\n") && restOfLine !== "");
  if (!replaces) return { insertText: beginning + text, before: repeated.length, after: 0 };
  if (restOfLine.length > longestRepeated)
    return { insertText: beginning + text, before: repeated.length, after: closed.length };
  const rest = restOfLine.slice(closed.length);
  return { insertText: beginning + text + rest, before: repeated.length, after: restOfLine.length };
}
