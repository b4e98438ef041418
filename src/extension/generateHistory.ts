/** Instructions that are kept, newest first. */
const most = 20;

/** The history with an instruction that was just used on top of it, once. */
export function remember(history: readonly string[], instruction: string): readonly string[] {
  return [instruction, ...history.filter((known) => known !== instruction)].slice(0, most);
}

/** What a stored history may be taken for; anything else counts as empty. */
export function readHistory(stored: unknown): readonly string[] {
  return Array.isArray(stored)
    ? stored.filter((entry) => typeof entry === "string" && entry !== "").slice(0, most)
    : [];
}

/** What the input offers while `typed` stands in it, what was typed first: it is what Enter takes. */
export function instructionsFor(typed: string, history: readonly string[]): readonly string[] {
  const wanted = typed.trim();
  if (wanted === "") return history;
  const words = wanted.toLowerCase().split(/\s+/);
  const matches = history.filter((known) => words.every((word) => known.toLowerCase().includes(word)));
  return [wanted, ...matches.filter((known) => known !== wanted)];
}
