/** "4.2 GB", "491 MB", "12 kB": decimal units, as file managers and model pages count. */
export function sizeText(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${Math.round(bytes / 1e6)} MB`;
  return `${Math.ceil(bytes / 1e3)} kB`;
}

/** Two digits where they tell something, whole numbers from 10 on. */
export function rateText(value: number): string {
  return value < 10 ? value.toFixed(1) : String(Math.round(value));
}

/** "640 ms", "2.4 s". */
export function durationText(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function percentText(share: number): string {
  return `${Math.round(share * 100)} %`;
}
