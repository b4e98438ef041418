import { type MeasuredCosts, measuredKeys, type VerifyCost } from "./decoding/costModel.ts";
import type { DraftHead } from "./decoding/draftHead.ts";
import type { TargetSequence, TokenRows } from "./decoding/target.ts";
import type { KeyCost, LastingCosts } from "./processorCost.ts";

/** Verification sizes that every load on a processor times; sizes between are interpolated. */
const processorSizes = [1, 2, 4, 8];
/** Sizes that pay seldom on a processor, and take as long to time as all the others. */
const largerSizes = [16, 32];
/** A GPU's trees grow larger. */
export const gpuSizes = [...processorSizes, ...largerSizes, 64];
/** Text behind which two sizes are timed once more: what attention costs grows with it, and faster for more rows. */
const longTokens = 1024;
const severalRows = 8;
/** Each size is timed this often and the fastest counts: what else the machine does only adds time. */
const repetitions = 2;
/** Sizes above this one are timed once: they take long, and a disturbance weighs less in them. */
const repeatedUpTo = 8;
/** Rows of a typical draft forward. */
const draftRows = 4;
/** Building, ranking and walking a tree, until rounds tell better. */
const assumedOverheadMs = 0.3;

/**
 * Times verification by rows on this machine; throws the signal's reason. The sequence is left empty. Every size runs once before
 * it is timed: the first run of a shape allocates what later ones find, and takes up to twice their time.
 */
export async function measureVerification(
  sequence: TargetSequence,
  signal?: AbortSignal,
  sizes: readonly number[] = processorSizes,
): Promise<VerifyCost[]> {
  sequence.trim(0);
  const cached = Math.min(measuredKeys, sequence.capacity);
  await sequence.forward(chain(cached), "none");
  sequence.commit([...Array(cached).keys()]);
  const costs: VerifyCost[] = [];
  for (const rows of sizes) costs.push({ rows, ms: await timeOf(sequence, rows, signal) });
  sequence.trim(0);
  return costs;
}

/**
 * Times what later loads need not time again, at a moment when the machine does little else.
 * @param costs what `measureVerification` has just found; `sequence` as for `measureKeys`
 */
export async function measureLasting(
  costs: readonly VerifyCost[],
  sequence: TargetSequence,
  signal?: AbortSignal,
): Promise<LastingCosts> {
  const largest = costs.at(-1)!.ms;
  const larger = await measureVerification(sequence, signal, largerSizes);
  return {
    larger: larger.map(({ rows, ms }) => ({ rows, times: ms / largest })),
    keys: await measureKeys(costs, sequence, signal),
  };
}

/** Costs of all sizes behind texts of any length, from those that were timed and what is known of the processor. */
export function completeCosts(costs: readonly VerifyCost[], { larger, keys }: LastingCosts): VerifyCost[] {
  const largest = costs.at(-1)!.ms;
  const all = [...costs, ...larger.map(({ rows, times }) => ({ rows, ms: times * largest }))];
  return all.map(({ rows, ms }) => ({ rows, ms, msPerKey: keys.one + (rows - 1) * keys.perRow }));
}

/**
 * What each further token of a text adds to a verification, by timing one row and several behind a long one. Only for sequences
 * whose `commit` copies rows: one row is committed over and over, since the time depends on how many keys there are, not on which.
 * @param costs what `measureVerification` found
 */
async function measureKeys(
  costs: readonly VerifyCost[],
  sequence: TargetSequence,
  signal?: AbortSignal,
): Promise<KeyCost> {
  const keys = Math.min(longTokens, sequence.capacity - measuredKeys);
  const further = keys - measuredKeys;
  if (further <= 0) return { one: 0, perRow: 0 };
  await sequence.forward(chain(1), "none");
  sequence.commit(new Int32Array(keys));
  const perKey: number[] = [];
  for (const rows of [1, severalRows]) {
    const behindShort = costs.find((cost) => cost.rows === rows)!.ms;
    perKey.push(Math.max(0, (await timeOf(sequence, rows, signal)) - behindShort) / further);
  }
  sequence.trim(0);
  const [one, several] = perKey as [number, number];
  return { one, perRow: Math.max(0, several - one) / (severalRows - 1) };
}

async function timeOf(sequence: TargetSequence, rows: number, signal: AbortSignal | undefined): Promise<number> {
  signal?.throwIfAborted();
  const verify = () => sequence.forward(chain(rows), "argmax");
  await verify();
  return await fastest(verify, rows <= repeatedUpTo ? repetitions : 1);
}

/** Rows that follow one another; which tokens they are takes no time. */
function chain(rows: number): TokenRows {
  return { tokens: new Int32Array(rows), parents: Int32Array.from({ length: rows }, (_, i) => i - 1) };
}

/** Milliseconds of a round's first draft forward and of each later one, candidates included. The head is left empty. */
export async function measureDraft(head: DraftHead): Promise<readonly number[]> {
  const rowsOf = (rows: number, outputs: number, first: number) => ({
    tokens: new Int32Array(rows),
    features: new Float32Array(rows * head.hidden),
    positions: Int32Array.from({ length: rows }, (_, i) => first + i),
    outputRows: Array.from({ length: outputs }, (_, i) => rows - outputs + i),
  });
  head.trim(0);
  await head.append(rowsOf(measuredKeys, 1, 0));
  const timed = async (forward: () => Promise<void>) => {
    await forward();
    return await fastest(forward);
  };
  const first = await timed(async () => {
    head.trim(measuredKeys);
    const { mixture } = await head.append(rowsOf(2, 1, measuredKeys));
    await head.candidates(mixture, draftRows);
  });
  const later = await timed(async () => {
    head.trim(measuredKeys);
    const { mixture } = await head.explore(rowsOf(draftRows, draftRows, measuredKeys), Array(draftRows).fill([]));
    await head.candidates(mixture, draftRows);
  });
  head.trim(0);
  return [first, later];
}

export function measuredCosts(verify: MeasuredCosts["verify"], draft: readonly number[]): MeasuredCosts {
  return { verify, draft, overheadMs: assumedOverheadMs };
}

async function fastest(work: () => Promise<unknown>, times = repetitions): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await work();
    best = Math.min(best, performance.now() - start);
  }
  return best;
}
