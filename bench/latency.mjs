// What a person waits for: loading, the first token after one typed character, cancellation; and the memory it takes.
// Loads run in processes of their own, so that nothing is warm but the file cache, and so that the peaks are theirs.
//   node bench/latency.mjs [--suite FILE] [--limit 20] [--order-limit 0] [--data DIR] [--model NAME|FILE] [--json FILE]
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { product } from "./engine.mjs";
import { commonOptions, count, progress, root, suitePath } from "./options.mjs";

const { values: options } = parseArgs({
  options: {
    ...commonOptions,
    suite: { type: "string", default: "HumanEval-SingleLineInfilling.jsonl.gz" },
    limit: { type: "string", default: "20" },
    "order-limit": { type: "string", default: "0" },
  },
});

const suffixBudgets = [0, 32];
const completionTokens = 64;
const laterLoads = 5;
/** Moments after its start, in ms, at which a request is cancelled: within the prefill, and while tokens are decoded. */
const cancelAfterMs = [20, 60, 140, 400, 700];

const suite = suitePath(options, options.suite);
const problems = await product.readProblems(suite);
const records = product.spread(problems, count("limit", options.limit));
const { path } = await product.locateModel(options.model);
const loads = measureLoads();
const engine = await product.Engine.load({ path });
const session = await engine.session("auto");

const typed = [];
for (const suffixTokens of suffixBudgets) typed.push(await typedCharacter(suffixTokens));
const cancellation = await cancel();
const orders = options["order-limit"] === "0" ? undefined : await compareOrders();
const decodingBytes = {
  residentBytes: process.memoryUsage().rss,
  peakResidentBytes: process.resourceUsage().maxRSS * 1024,
};
await report();
process.exit(0);

/**
 * The loads of a user: the first one of a model that ships its smoothing, and a later one, the median of several. Besides, what packing
 * takes in the first load of a model whose smoothing is found by calibration.
 */
function measureLoads() {
  const cache = mkdtempSync(join(tmpdir(), "jakiro-bench-"));
  try {
    const first = loadIn(cache, "load");
    const later = Array.from({ length: laterLoads }, () => loadIn(cache, "load"));
    later.sort((one, other) => one.ms - other.ms);
    const second = later[Math.floor(later.length / 2)];
    return { first, second, calibration: loadIn(cache, "calibrate") };
  } finally {
    rmSync(cache, { recursive: true });
  }
}

function loadIn(cache, way) {
  progress(`Loading (${way})`, 0, 1);
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "bench", "loadProcess.mjs"), way, path], {
    env: { ...process.env, JAKIRO_CACHE_DIR: cache },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`loading (${way}) failed:\n${stderr}`);
  return JSON.parse(stdout);
}

/** A completion at each record's hole, then the same after the hole's first character was typed. */
async function typedCharacter(suffixTokens) {
  const besides = [];
  const firstTokenMs = [];
  const promptTokens = [];
  for (const [i, { prompt, suffix, canonicalSolution }] of records.entries()) {
    progress(`Typing, suffix of ${suffixTokens}`, i, records.length);
    const at = canonicalSolution.search(/\S/);
    const grown = canonicalSolution.slice(0, at + 1);
    session.reset();
    const request = {
      suffix: suffix ?? "",
      suffixTokens,
      languageId: "python",
      maxTokens: 1,
      sampling: product.greedy,
    };
    await product.completeDocument(engine, session, { ...request, prefix: prompt + grown.slice(0, -1) });
    await sleep(30);
    const start = performance.now();
    const result = await product.completeDocument(engine, session, { ...request, prefix: prompt + grown });
    firstTokenMs.push(performance.now() - start);
    besides.push(result.promptTokens - result.cachedTokens - result.suffixTokens);
    promptTokens.push(result.promptTokens);
  }
  return {
    suffixTokens,
    records: records.length,
    promptTokens: product.median(promptTokens),
    prefilledBesidesSuffix: { median: product.median(besides), largest: Math.max(...besides) },
    firstTokenMs: { median: product.median(firstTokenMs), largest: Math.max(...firstTokenMs) },
  };
}

/** From the abort of a request to the moment its engine is free again, beside the longest forward it may have to wait for. */
async function cancel() {
  const text = records.map(({ prompt, canonicalSolution }) => prompt + canonicalSolution).join("\n");
  const prompt = engine.tokenizer.encode(text).slice(0, 512);
  let longestForwardMs = 0;
  const request = {
    prompt,
    maxTokens: completionTokens,
    sampling: product.greedy,
    endTokens: new Set(),
    onPrefillForward(_rows, ms) {
      longestForwardMs = Math.max(longestForwardMs, ms);
    },
  };
  const waits = [];
  for (const after of cancelAfterMs) {
    session.reset();
    const controller = new AbortController();
    let aborted = Number.NaN;
    setTimeout(() => {
      aborted = performance.now();
      controller.abort();
    }, after);
    const { finishReason } = await session.decode({ ...request, signal: controller.signal });
    if (finishReason === "cancelled") waits.push(performance.now() - aborted);
  }
  if (waits.length === 0) throw new Error("every request ended before it was cancelled, so that nothing was measured.");
  return {
    requests: cancelAfterMs.length,
    cancelled: waits.length,
    largestWaitMs: Math.max(...waits),
    longestPrefillForwardMs: longestForwardMs,
  };
}

/** Does it cost accuracy to put the suffix first, where the KV cache would keep it? Every hole filled in both orders. */
async function compareOrders() {
  const chosen = product.spread(problems, count("order-limit", options["order-limit"]));
  const found = {};
  for (const order of ["psm", "spm"]) {
    const listener = ({ done, total }) => progress(`Filling, ${order}`, done, total);
    const settings = { maxTokens: completionTokens, order, progress: listener };
    found[order] = await product.infillingAccuracy(engine, session, chosen, settings);
  }
  return found;
}

async function report() {
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;
  const ms = (value) => `${value.toFixed(0)} ms`;
  const { first, second, calibration } = loads;
  console.log(
    `load of a packed model, head included, ${ms(second.ms)} (the model alone ${ms(second.modelMs)}); ` +
      `resident after it ${megabytes(second.residentBytes)}, at most ${megabytes(second.peakResidentBytes)}`,
  );
  console.log(`first load, which packs: ${ms(first.ms)}, at most ${megabytes(first.peakResidentBytes)}`);
  console.log(
    `packing with calibration, as for a model that ships no smoothing: ${ms(calibration.ms)}, ` +
      `at most ${megabytes(calibration.peakResidentBytes)}`,
  );
  console.log(
    `after all that follows: ${megabytes(decodingBytes.residentBytes)}, at most ${megabytes(decodingBytes.peakResidentBytes)}`,
  );
  for (const { suffixTokens, prefilledBesidesSuffix, firstTokenMs } of typed) {
    console.log(
      `one typed character, suffix of at most ${suffixTokens} tokens: ` +
        `${prefilledBesidesSuffix.median} tokens read besides the suffix (at most ${prefilledBesidesSuffix.largest}), ` +
        `first token after ${ms(firstTokenMs.median)} (at most ${ms(firstTokenMs.largest)})`,
    );
  }
  console.log(
    `cancelled requests free the engine within ${ms(cancellation.largestWaitMs)} ` +
      `(${cancellation.cancelled} of ${cancellation.requests}; the longest prefill forward takes ${ms(cancellation.longestPrefillForwardMs)})`,
  );
  for (const [order, accuracy] of Object.entries(orders ?? {})) {
    const percent = (share) => `${(100 * share).toFixed(1)} %`;
    const { total, firstLineExactMatch, allLinesExactMatch } = accuracy;
    console.log(
      `${order}, ${total} records: first line exact ${percent(firstLineExactMatch)}, all lines ${percent(allLinesExactMatch)}`,
    );
  }
  const machine = product.describeMachine();
  const { processor, features, threads } = machine;
  console.log(`${basename(suite)}; ${processor} (${features?.join(", ")}), ${threads} threads`);
  if (options.json === undefined) return;
  await product.writeResultFile(options.json, {
    suite: basename(suite),
    model: { name: engine.modelName, sha256: engine.contentHash },
    machine,
    date: new Date().toISOString(),
    loads,
    decoding: decodingBytes,
    typedCharacter: typed,
    cancellation,
    ...(orders === undefined ? {} : { orders }),
  });
}
