import { drawing, escapeHtml, round } from "./markup.ts";

const width = 420;
const height = 150;
/** Room for the numbers at the left, and for the top one to stand above its line. */
const left = 40;
const top = 14;
const bottom = 20;
const right = 8;

export interface Reference {
  readonly value: number;
  readonly label: string;
}

export interface LineChart {
  /** What a screen reader says in place of the drawing. */
  readonly label: string;
  readonly values: readonly number[];
  /** A value to compare with, drawn as a dashed line. */
  readonly reference?: Reference | undefined;
  /** What the left and right ends of the time axis are. */
  readonly ends: readonly [string, string];
  format(value: number): string;
}

/** Values over time, oldest at the left, from 0 up. */
export function lineChart({ label, values, reference, ends, format }: LineChart): string {
  const most = niceCeiling(Math.max(...values, reference?.value ?? 0));
  const y = (value: number) => round(top + (height - top - bottom) * (1 - value / most));
  const x = (index: number) => round(left + ((width - left - right) * index) / Math.max(1, values.length - 1));
  const points = values.map((value, index) => `${x(index)},${y(value)}`);
  const area = `${x(0)},${y(0)} ${points.join(" ")} ${x(values.length - 1)},${y(0)}`;
  const end = values.length - 1;
  return drawing(
    label,
    width,
    height,
    [
      ...[0, most / 2, most].map(
        (value) =>
          `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(value)}" y2="${y(value)}"/>` +
          `<text class="axis end" x="${left - 6}" y="${y(value) + 4}">${escapeHtml(format(value))}</text>`,
      ),
      `<polygon class="area" points="${area}"/>`,
      `<polyline class="line" points="${points.join(" ")}"/>`,
      ...(values.length > 0 ? [`<circle class="dot" cx="${x(end)}" cy="${y(values[end]!)}" r="3"/>`] : []),
      ...(reference === undefined ? [] : [referenceLine(reference, y(reference.value), values)]),
      `<text class="axis" x="${left}" y="${height - 5}">${escapeHtml(ends[0])}</text>`,
      `<text class="axis end" x="${width - right}" y="${height - 5}">${escapeHtml(ends[1])}</text>`,
    ].join(""),
  );
}

/** Its label stands at the end where the values keep farther away from it. */
function referenceLine({ label, value }: Reference, y: number, values: readonly number[]): string {
  const share = Math.ceil(values.length / 4);
  const nearest = (some: readonly number[]) => Math.min(...some.map((other) => Math.abs(other - value)));
  const atLeft = nearest(values.slice(0, share)) > nearest(values.slice(-share));
  const text = atLeft ? `class="axis halo" x="${left + 4}"` : `class="axis end halo" x="${width - right}"`;
  return (
    `<line class="reference" x1="${left}" x2="${width - right}" y1="${y}" y2="${y}"/>` +
    `<text ${text} y="${y - 4}">${escapeHtml(label)}</text>`
  );
}

export interface Bar {
  readonly name: string;
  /** 0 .. 1. */
  readonly share: number;
  readonly text: string;
}

/** Upright bars of shares, one beside the other. */
export function barChart(label: string, bars: readonly Bar[]): string {
  const slot = (width - left - right) / Math.max(bars.length, 4);
  const thickness = Math.min(44, slot * 0.7);
  const y = (share: number) => round(top + (height - top - bottom) * (1 - share));
  return drawing(
    label,
    width,
    height,
    [
      ...[0, 0.5, 1].map(
        (share) =>
          `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(share)}" y2="${y(share)}"/>` +
          `<text class="axis end" x="${left - 6}" y="${y(share) + 4}">${share * 100} %</text>`,
      ),
      ...bars.map(({ name, share, text }, index) => {
        const middle = round(left + slot * (index + 0.5));
        const x = round(middle - thickness / 2);
        return (
          `<rect class="bar" x="${x}" y="${y(share)}" width="${round(thickness)}" height="${round(y(0) - y(share))}"/>` +
          `<text class="value middle" x="${middle}" y="${y(share) - 3}">${escapeHtml(text)}</text>` +
          `<text class="axis middle" x="${middle}" y="${height - 5}">${escapeHtml(name)}</text>`
        );
      }),
    ].join(""),
  );
}

export interface Part {
  readonly name: string;
  readonly value: number;
  readonly text: string;
}

/** Parts of a whole as one lying bar with a legend below. */
export function stackedBar(label: string, parts: readonly Part[]): string {
  const whole = parts.reduce((sum, { value }) => sum + value, 0) || 1;
  let x = 0;
  const rects = parts.map(({ value }, index) => {
    const length = (value / whole) * width;
    const rect = `<rect class="part-${index + 1}" x="${round(x)}" y="0" width="${round(length)}" height="26"/>`;
    x += length;
    return rect;
  });
  const legend = parts.map(
    ({ name, text }, index) =>
      `<li><svg class="key" viewBox="0 0 10 10" aria-hidden="true"><rect class="part-${index + 1}" width="10" height="10"/></svg>` +
      `<span>${escapeHtml(name)}</span> <strong>${escapeHtml(text)}</strong></li>`,
  );
  const bar = drawing(label, width, 26, rects.join(""), ' preserveAspectRatio="none" class="stack"');
  return `${bar}<ul class="legend">${legend.join("")}</ul>`;
}

/** The next of 1, 2, 5, 10, 20, ... at or above the value, so that half of it is a round number too. */
function niceCeiling(value: number): number {
  if (!(value > 0)) return 1;
  const magnitude = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((step) => step * magnitude).find((step) => step >= value) ?? 10 * magnitude;
}
