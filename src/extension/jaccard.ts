/** What two sets share, over what they have together: 0 .. 1; 0 for two empty sets. */
export function jaccard<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): number {
  let shared = 0;
  for (const item of a) if (b.has(item)) shared += 1;
  const together = a.size + b.size - shared;
  return together === 0 ? 0 : shared / together;
}
