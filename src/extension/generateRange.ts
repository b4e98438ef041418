/** A part of a document, in UTF-16 units from its beginning. */
export interface OffsetRange {
  readonly start: number;
  /** Behind the last unit. */
  readonly end: number;
}

/** A replacement of `length` units at `offset`. */
export interface TextChange {
  readonly offset: number;
  readonly length: number;
  readonly text: string;
}

/**
 * Where a range is after a change. What is inserted at one of its ends belongs to it only where `own`; what is inserted or
 * removed inside always does, and a change across an end takes the range with it.
 */
export function changedRange({ start, end }: OffsetRange, change: TextChange, own: boolean): OffsetRange {
  const changeEnd = change.offset + change.length;
  const growth = change.text.length - change.length;
  if (own) return { start, end: end + growth };
  if (changeEnd <= start) return { start: start + growth, end: end + growth };
  if (change.offset >= end) return { start, end };
  return { start: Math.min(start, change.offset), end: Math.max(end, changeEnd) + growth };
}
