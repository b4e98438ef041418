/** Levenshtein distance between two words, in single-character edits. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}

/** The candidate a user most likely meant: fewest edits away, of at most a third of its letters; the end may be left out. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const wanted = word.toLowerCase();
  const mostEdits = Math.max(1, Math.floor(wanted.length / 3));
  let best: string | undefined;
  let fewest = mostEdits + 1;
  for (const candidate of candidates) {
    const name = candidate.toLowerCase();
    const whole = editDistance(wanted, name);
    const abbreviated = wanted.length > 2 ? editDistance(wanted, name.slice(0, wanted.length)) + 0.5 : whole;
    const edits = Math.min(whole, abbreviated);
    if (edits < fewest) {
      best = candidate;
      fewest = edits;
    }
  }
  return best;
}
