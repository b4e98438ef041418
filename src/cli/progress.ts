import type { Progress, ProgressListener } from "../engine/progress.ts";

export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface ProgressDisplay {
  readonly report: ProgressListener;
  /** Writes one line that stays, above the bar. */
  line(text: string): void;
  /** Takes the bar off the screen. */
  clear(): void;
}

const redrawMs = 100;
const plainLineMs = 10_000;
/** Stages shorter than this are not worth a line in a log. */
const briefMs = 1_000;
const barCells = 24;
const eraseLine = "\r\x1b[2K";

/** A bar that redraws itself where a person is watching, else one line every 10 s and at the end of a stage. */
export function createProgress(stream: ProgressStream, now: () => number = () => performance.now()): ProgressDisplay {
  let stage = "";
  let started = { at: 0, done: 0 };
  let nextWrite = 0;
  let barVisible = false;

  function clear(): void {
    if (barVisible) stream.write(eraseLine);
    barVisible = false;
  }

  function report(progress: Progress): void {
    const at = now();
    if (progress.stage !== stage) {
      stage = progress.stage;
      started = { at, done: progress.done };
      nextWrite = stream.isTTY ? at : at + briefMs;
    }
    const ends = progress.done >= progress.total;
    const brief = at - started.at < briefMs;
    if (ends) stage = "";
    if (ends && brief) clear();
    if (ends ? brief : at < nextWrite) return;
    nextWrite = at + (stream.isTTY ? redrawMs : plainLineMs);
    const text = describe(progress, (at - started.at) / 1000, started.done);
    if (stream.isTTY) {
      const line = `${bar(progress)} ${text}`.slice(0, (stream.columns ?? 80) - 1);
      stream.write(`${eraseLine}${line}${ends ? "\n" : ""}`);
      barVisible = !ends;
    } else {
      stream.write(`${text}\n`);
    }
  }

  return {
    report,
    clear,
    line(text) {
      clear();
      stream.write(`${text}\n`);
    },
  };
}

function bar({ done, total }: Progress): string {
  const filled = total > 0 ? Math.round((done / total) * barCells) : barCells;
  return `[${"#".repeat(filled)}${"-".repeat(barCells - filled)}]`;
}

/** `Downloading x: 12.3 / 491.4 MB (2 %), 8.1 MB/s, 59 s left`; the rate counts what this run did, not what it resumed. */
function describe({ stage, done, total, unit }: Progress, seconds: number, resumedFrom: number): string {
  const percent = total > 0 ? Math.floor((done / total) * 100) : 100;
  const scale = unit === "bytes" ? 1e6 : 1;
  const amount = (value: number) => (unit === "bytes" ? (value / scale).toFixed(1) : String(value));
  const suffix = unit === "bytes" ? " MB" : "";
  const text = `${stage}: ${amount(done)} / ${amount(total)}${suffix} (${percent} %)`;
  const rate = seconds > 1 ? (done - resumedFrom) / seconds : 0;
  if (rate <= 0) return text;
  const speed = `${(rate / scale).toFixed(1)}${suffix}/s`;
  return done >= total ? `${text}, ${speed}` : `${text}, ${speed}, ${Math.ceil((total - done) / rate)} s left`;
}
