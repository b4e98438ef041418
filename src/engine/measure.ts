import { type MeasuredCosts, measuredKeys, type VerifyCost } from "./decoding/costModel.ts";
import type { DraftHead } from "./decoding/draftHead.ts";
import type { TargetSequence, TokenRows } from "./decoding/target.ts";
import type { LastingCosts } from "./processorCost.ts";

/** Sizes of verifications that are timed on a processor besides plain decoding; sizes between are interpolated. */
const treeSizes = [2, 4, 8, 16, 32];
/** A GPU's trees grow larger. */
export const gpuSizes = [1, 2, 4, 8, 16, 32, 64];
/**
 * Text behind which a processor's verifications are timed. Up to 64 keys take faster kernels: there 4 rows take 1.34 times as long as
 * one, here 1.38 times (Qwen2.5-Coder 0.5B on two AVX-512 cores).
 */
const usualTokens = 256;
/** Text behind which two sizes are timed once more: what attention costs grows with it, and faster for more rows. */
const longTokens = 1024;
const severalRows = 8;
/** Each size is timed this often and the fastest counts: what else the machine does only adds time. */
const repetitions = 2;
/** The same for what is measured once. */
const carefulRepetitions = 3;
/** Sizes above this one are timed once: they take long, and a disturbance weighs less in them. */
const repeatedUpTo = 8;
/** Rows of a typical draft forward. */
const draftRows = 4;
/** Building, ranking and walking a tree, until rounds tell better. */
const assumedOverheadMs = 0.3;

/**
 * Times verification by rows on a GPU; throws the signal's reason. The sequence is left empty. Every size runs once before it is timed:
 * the first run of a shape allocates what later ones find, and takes up to twice their time.
 */
export async function measureVerification(
  sequence: TargetSequence,
  sizes: readonly number[],
  signal?: AbortSignal,
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

/** Milliseconds of a plain token on a processor, behind a text of usual length; throws the signal's reason. The sequence is left empty. */
export async function measureToken(sequence: TargetSequence, signal?: AbortSignal): Promise<number> {
  await standBehind(sequence, usualLength(sequence));
  const [ms] = await timesOf(sequence, [1], signal);
  sequence.trim(0);
  return ms!;
}

/**
 * Times what later loads need not time again, at a moment when the machine does little else: relative to a plain token, so that it
 * holds for slower moments as well. The sequence is left empty.
 */
export async function measureLasting(sequence: TargetSequence, signal?: AbortSignal): Promise<LastingCosts> {
  const usual = usualLength(sequence);
  await standBehind(sequence, usual);
  const sizes = [1, ...treeSizes];
  const [token, ...times] = await timesOf(sequence, sizes, signal);
  const further = Math.min(longTokens, sequence.capacity) - usual;
  const keys = { one: 0, perRow: 0 };
  if (further > 0) {
    await standBehind(sequence, usual + further);
    const [longOne, longSeveral] = await timesOf(sequence, [1, severalRows], signal);
    const several = times[treeSizes.indexOf(severalRows)]!;
    keys.one = Math.max(0, longOne! - token!) / further;
    keys.perRow = Math.max(0, (longSeveral! - several) / further - keys.one) / (severalRows - 1);
  }
  sequence.trim(0);
  return { sizes: treeSizes.map((rows, i) => ({ rows, times: times[i]! / token! })), keys };
}

/**
 * Costs of all sizes behind texts of any length.
 * @param tokenMs what `measureToken` has just found
 */
export function completeCosts(
  tokenMs: number,
  { sizes, keys }: LastingCosts,
  sequence: Pick<TargetSequence, "capacity">,
): VerifyCost[] {
  const further = usualLength(sequence) - measuredKeys;
  return [{ rows: 1, times: 1 }, ...sizes].map(({ rows, times }) => {
    const msPerKey = keys.one + (rows - 1) * keys.perRow;
    return { rows, ms: times * tokenMs - further * msPerKey, msPerKey };
  });
}

function usualLength({ capacity }: Pick<TargetSequence, "capacity">): number {
  return Math.min(usualTokens, capacity);
}

/**
 * Commits one row over and over: times depend on how many keys there are, not on which. Only for sequences whose `commit` copies rows,
 * those of a processor.
 */
async function standBehind(sequence: TargetSequence, keys: number): Promise<void> {
  sequence.trim(0);
  await sequence.forward(chain(1), "none");
  sequence.commit(new Int32Array(keys));
}

/** Milliseconds of verifications of these sizes, taken in turn. */
async function timesOf(
  sequence: TargetSequence,
  sizes: readonly number[],
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const best = sizes.map(() => Number.POSITIVE_INFINITY);
  for (let turn = 0; turn <= carefulRepetitions; turn++) {
    for (const [i, rows] of sizes.entries()) {
      signal?.throwIfAborted();
      const ms = await fastest(() => sequence.forward(chain(rows), "argmax"), 1);
      // The first run of a shape allocates what later ones find.
      if (turn > 0) best[i] = Math.min(best[i]!, ms);
    }
  }
  return best;
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
