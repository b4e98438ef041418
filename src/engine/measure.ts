import type { MeasuredCosts } from "./decoding/costModel.ts";
import type { DraftHead } from "./decoding/draftHead.ts";
import type { TargetSequence } from "./decoding/target.ts";

/** Verification sizes that are timed; sizes between are interpolated. */
const sizes = [1, 2, 4, 8, 16, 32];
/** Cached tokens during the measurement: a short prompt's worth. */
const contextTokens = 64;
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
): Promise<MeasuredCosts["verify"]> {
  const token = 0;
  const chain = (rows: number) => ({
    tokens: new Int32Array(rows).fill(token),
    parents: Int32Array.from({ length: rows }, (_, i) => i - 1),
  });
  sequence.trim(0);
  const cached = Math.min(contextTokens, sequence.capacity);
  await sequence.forward(chain(cached), "none");
  sequence.commit([...Array(cached).keys()]);
  const costs: { rows: number; ms: number }[] = [];
  for (const rows of sizes) {
    signal?.throwIfAborted();
    const times = rows <= repeatedUpTo ? repetitions : 1;
    const verify = () => sequence.forward(chain(rows), "argmax");
    await verify();
    costs.push({ rows, ms: await fastest(verify, times) });
  }
  sequence.trim(0);
  return costs;
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
  await head.append(rowsOf(contextTokens, 1, 0));
  const timed = async (forward: () => Promise<void>) => {
    await forward();
    return await fastest(forward);
  };
  const first = await timed(async () => {
    head.trim(contextTokens);
    const { mixture } = await head.append(rowsOf(2, 1, contextTokens));
    await head.candidates(mixture, draftRows);
  });
  const later = await timed(async () => {
    head.trim(contextTokens);
    const { mixture } = await head.explore(rowsOf(draftRows, draftRows, contextTokens), Array(draftRows).fill([]));
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
