/** Axis-aligned rectangles on a pixel grid; the origin is the upper left corner. */
export interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export function right(rectangle: Rectangle): number {
  return rectangle.left + rectangle.width;
}

export function bottom(rectangle: Rectangle): number {
  return rectangle.top + rectangle.height;
}

/** The smallest rectangle that holds both. */
export function union(a: Rectangle, b: Rectangle): Rectangle {
  const left = Math.min(a.left, b.left);
  const top = Math.min(a.top, b.top);
  const width = Math.max(right(a), right(b)) - left;
  const height = Math.max(bottom(a), bottom(b)) - top;
  return { left, top, width, height };
}

/** What both have in common; undefined where they do not overlap. */
export function intersection(a: Rectangle, b: Rectangle): Rectangle | undefined {
  const left = Math.max(a.left, b.left);
  const top = Math.max(a.top, b.top);
  /* <cursor> */

  return width > 0 && height > 0 ? { left, top, width, height } : undefined;
}

export function contains({ left, top, width, height }: Rectangle, x: number, y: number): boolean {
  return x >= left && x < left + width && y >= top && y < top + height;
}
