// The engine and llama.cpp, in turns within one run: the same model file, threads, prompts and token limit, greedy.
//   node bench/compare.mjs [--suite FILE] [--limit 20] [--max-tokens 64] [--methods plain,auto] [--prefill 512]
//                          [--device cpu|gpu] [--adapter NAME] [--data DIR] [--model NAME|FILE] [--json FILE]
// --device gpu: both on the GPU, this engine by WebGPU, llama.cpp by what it prefers there.
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { product } from "./engine.mjs";
import { LlamaPeer, lookupSettings, plainSettings } from "./llamacpp.mjs";
import { commonOptions, count, progress, suitePath } from "./options.mjs";

const { values: options } = parseArgs({
  options: {
    ...commonOptions,
    suite: { type: "string", default: "HumanEval.jsonl.gz" },
    limit: { type: "string", default: "20" },
    "max-tokens": { type: "string", default: "64" },
    methods: { type: "string", default: "plain,auto" },
    prefill: { type: "string", default: "512" },
    device: { type: "string", default: "cpu" },
    adapter: { type: "string" },
  },
});

const capacity = 2048;
/** Records over which the peer's settings are chosen. */
const tuningRecords = 3;
const prefillRepetitions = 7;
/** Lets the threads of whoever ran last go to sleep. */
const restMs = 30;

const maxTokens = count("max-tokens", options["max-tokens"]);
const suite = suitePath(options, options.suite);
const records = product.spread(await product.readSuite(suite), count("limit", options.limit));
const machine = product.describeMachine();
const { path } = await product.locateModel(options.model);
const { device, adapter } = options;
if (device !== "cpu" && device !== "gpu") throw new Error(`--device takes cpu or gpu, not "${device}".`);
const engine = await product.Engine.load({ path, capacity, device, ...(adapter === undefined ? {} : { adapter }) });
const peer = await LlamaPeer.load({
  modelPath: path,
  threads: machine.threads,
  contextSize: capacity,
  gpu: device === "gpu",
});
const { endTokens } = engine.tokenizer;
const prompts = records.map((record) => product.promptOf(record, engine, capacity - maxTokens));

const tuned = await tune();
const runners = await makeRunners();
const speeds = await runAll();
const prefill = await comparePrefill(count("prefill", options.prefill));
await report();
process.exit(0);

/** The peer's fastest settings, each tried on the same few prompts. */
async function tune() {
  const few = product.spread(prompts, tuningRecords);
  const limits = { maxTokens, endTokens };
  const plain = await fastest(
    plainSettings,
    (settings) => (prompt) => peer.greedy(prompt, { ...limits, settings }),
    few,
  );
  const { settings } = plain;
  const lookup = await fastest(
    lookupSettings,
    (predictor) => (prompt) => peer.greedy(prompt, { ...limits, settings, lookup: predictor }),
    few,
  );
  const forwards = [];
  for (const prompt of few) {
    const { tokens } = await peer.greedy(prompt, { ...limits, settings });
    if (tokens.length > 1) forwards.push(await peer.forwardsPerSecond(prompt, tokens.slice(0, -1), settings));
  }
  return { plain, lookup, forwardsPerSecond: product.median(forwards) };
}

async function fastest(choices, runnerOf, few) {
  const tried = [];
  for (const settings of choices) {
    const run = runnerOf(settings);
    await run(few[0]);
    const speeds = [];
    for (const prompt of few) speeds.push((await run(prompt)).tokensPerSecond);
    tried.push({ settings, tokensPerSecond: product.median(speeds.filter((speed) => speed > 0)) ?? 0 });
  }
  return tried.reduce((best, other) => (other.tokensPerSecond > best.tokensPerSecond ? other : best));
}

async function makeRunners() {
  const found = new Map();
  for (const method of options.methods.split(",")) {
    const session = await engine.session(method);
    found.set(method, async (prompt) => {
      session.reset();
      const { statistics } = await session.decode({ prompt, maxTokens, sampling: product.greedy, endTokens });
      return product.tokensPerSecond(statistics.counts, statistics.timings);
    });
  }
  const settings = tuned.plain.settings;
  const peerRun = (lookup) => async (prompt) =>
    (await peer.greedy(prompt, { maxTokens, endTokens, settings, ...lookup })).tokensPerSecond;
  found.set("llama.cpp", peerRun({}));
  found.set("llama.cpp lookup", peerRun({ lookup: tuned.lookup.settings }));
  return found;
}

/** Tokens per second after the first token, by runner and record; who goes first changes with the record. */
async function runAll() {
  const names = [...runners.keys()];
  for (const name of names) await runners.get(name)(prompts[0]);
  const found = new Map(names.map((name) => [name, []]));
  for (const [i, prompt] of prompts.entries()) {
    progress("Comparing", i, prompts.length);
    for (const name of product.rotated(names, i)) {
      await sleep(restMs);
      found.get(name).push(await runners.get(name)(prompt));
    }
  }
  progress("Comparing", prompts.length, prompts.length);
  return found;
}

/** Milliseconds from a prompt of `length` tokens to its first token, in turns. */
async function comparePrefill(length) {
  const text = records.map(({ prompt, canonicalSolution }) => `${prompt}${canonicalSolution ?? ""}\n`).join("");
  const tokens = engine.tokenizer.encode(text);
  if (tokens.length < length + prefillRepetitions) {
    throw new Error(`These records hold ${tokens.length} tokens, too few for a prefill of ${length}; raise --limit.`);
  }
  const session = await engine.session("plain");
  const ours = [];
  const theirs = [];
  for (let i = 0; i <= prefillRepetitions; i++) {
    const prompt = tokens.slice(i, i + length);
    await sleep(restMs);
    session.reset();
    const { statistics } = await session.decode({ prompt, maxTokens: 1, sampling: product.greedy, endTokens });
    await sleep(restMs);
    const { firstTokenMs } = await peer.greedy(prompt, { maxTokens: 1, endTokens, settings: tuned.plain.settings });
    if (i === 0) continue;
    ours.push(statistics.timings.firstTokenMs);
    theirs.push(firstTokenMs);
  }
  const ratio = product.median(theirs.map((ms, i) => ms / ours[i]));
  return { tokens: length, ms: product.median(ours), llamacppMs: product.median(theirs), speedup: ratio };
}

async function report() {
  const reference = speeds.get("llama.cpp");
  const methods = {};
  for (const [name, own] of speeds) {
    const both = own.map((speed, i) => [speed, reference[i]]).filter(([a, b]) => a > 0 && b > 0);
    methods[name] = {
      tokensPerSecond: product.median(both.map(([speed]) => speed)),
      speedupOverLlamacpp: product.median(both.map(([speed, other]) => speed / other)),
    };
  }
  const rows = Object.entries(methods).map(([name, { tokensPerSecond, speedupOverLlamacpp }]) => [
    name,
    tokensPerSecond.toFixed(1),
    `${speedupOverLlamacpp.toFixed(2)}x`,
  ]);
  console.log(product.formatMarkdownTable([["", "tok/s", "against llama.cpp"], ...rows]));
  console.log(
    `llama.cpp settings: ${JSON.stringify(tuned.plain.settings)}, lookup ${JSON.stringify(tuned.lookup.settings)}; ` +
      `forwards without sampling: ${tuned.forwardsPerSecond.toFixed(1)} tok/s`,
  );
  console.log(
    `first token after ${prefill.tokens}: ${prefill.ms.toFixed(0)} ms, llama.cpp ${prefill.llamacppMs.toFixed(0)} ms ` +
      `(${prefill.speedup.toFixed(2)}x)`,
  );
  const { processor, features, threads } = machine;
  const described = await peer.describe();
  console.log(
    `${basename(suite)}, ${records.length} records, ${maxTokens} tokens; ${processor} (${features?.join(", ")}), ${threads} threads`,
  );
  if (device === "gpu") {
    console.log(`Jakiro on ${engine.adapter}; llama.cpp on ${described.gpu.names.join(", ")} (${described.gpu.by})`);
  }
  if (options.json === undefined) return;
  await product.writeResultFile(options.json, {
    suite: basename(suite),
    records: records.length,
    options: { maxTokens },
    model: { name: engine.modelName, sha256: engine.contentHash },
    machine,
    device,
    ...(engine.adapter === undefined ? {} : { adapter: engine.adapter }),
    date: new Date().toISOString(),
    peer: { ...described, ...tuned },
    methods,
    prefill,
  });
}
