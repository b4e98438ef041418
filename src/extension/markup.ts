/** Text as it stands in HTML or SVG, attributes included. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A table that only a screen reader sees: what a chart says, in words. */
export function hiddenTable(caption: string, header: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = header.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join("");
  const body = rows
    .map(([first = "", ...cells]) => {
      const rest = cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("");
      return `<tr><th scope="row">${escapeHtml(first)}</th>${rest}</tr>`;
    })
    .join("");
  return `<table class="for-screen-readers"><caption>${escapeHtml(caption)}</caption><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`;
}

/** A drawing with its text alternative; `content` is SVG made of escaped parts. */
export function drawing(label: string, width: number, height: number, content: string, attributes = ""): string {
  return `<svg role="img" aria-label="${escapeHtml(label)}" viewBox="0 0 ${round(width)} ${round(height)}"${attributes}>${content}</svg>`;
}

/** Coordinates need no more than a tenth of a pixel. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}
