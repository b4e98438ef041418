// Jakiro against plain decoding on this machine's GPU, in the shape of a model for which there is no trained head: how much of tau, the
// tokens of a round, becomes speed. Weights are random, and the text and how often the head guesses it are known (gpu/cycleModel.mjs).
//   node bench/gpu_methods.mjs [--acceptance 0.5,0.7,0.9] [--cached 512] [--max-tokens 256] [--texts 5] [--adapter NAME] [--json FILE] [--tiny]
// --tiny takes a model for software adapters: it shows that the benchmark works, not how fast anything is.
import { parseArgs } from "node:util";
import { product } from "./engine.mjs";
import { cycleHead, cycleModel, nextToken } from "./gpu/cycleModel.mjs";
import { models, tinyModels } from "./gpu/randomPack.mjs";
import { count, progress } from "./options.mjs";

const { values: options } = parseArgs({
  options: {
    acceptance: { type: "string", default: "0.5,0.7,0.9" },
    cached: { type: "string" },
    "max-tokens": { type: "string" },
    texts: { type: "string" },
    adapter: { type: "string" },
    json: { type: "string" },
    tiny: { type: "boolean", default: false },
  },
});
const { tiny } = options;
const acceptances = options.acceptance.split(",").map(share);
const cached = count("cached", options.cached ?? (tiny ? "16" : "512"));
const maxTokens = count("max-tokens", options["max-tokens"] ?? (tiny ? "24" : "256"));
const texts = count("texts", options.texts ?? (tiny ? "1" : "5"));
const shapes = tiny ? tinyModels : models;
const methods = ["plain", "jakiro"];

if (options.json !== undefined) await product.checkResultFile(options.json);
const search = await product.listAdapters();
if ("failure" in search) throw new Error(search.failure);
const adapter = product.chooseAdapter(search.adapters, options.adapter);
const results = [];
let driver;
for (const { name, config } of shapes) results.push(...(await measureModel(name, config)));
progress("", 1, 1);
await report();
// Dawn keeps the process alive.
process.exit(0);

/** Each head decodes by turns with plain decoding, so that both meet the same clocks of the device. */
async function measureModel(name, config) {
  const gpu = await product.openDevice(adapter);
  driver = gpu.driver;
  const model = cycleModel(config);
  const capacity = cached + texts + maxTokens + 1;
  const target = await product.GpuTarget.load(gpu, model.checkpoint, model.packed, {
    capacity,
    sequences: methods.length,
  });
  model.release();
  await target.prepare();
  const sequence = target.sequence();
  const verifyCosts = await product.measureVerification(sequence, product.gpuSizes);
  sequence.release();
  const rows = [];
  for (const acceptance of acceptances) {
    progress(`${name}, a head that knows ${acceptance} of the tokens`, rows.length, acceptances.length);
    const decoding = new product.GpuDecoding(target, async () => cycleHead(config, acceptance), undefined);
    const heads = new product.Heads(() => Promise.reject(new Error("the device drafts")));
    const placed = { device: "gpu", adapter: gpu.name, target, heads, decoding, verifyCosts, capacity };
    const loaders = { gpu: async () => placed, cpu: () => Promise.reject(new Error("the GPU was lost")) };
    const placement = await product.Placement.choose("gpu", loaders, { onNote: (note) => console.error(note) });
    const sessions = {};
    for (const method of methods) {
      const head = method === "plain" ? undefined : method;
      sessions[method] = await product.DecodingSession.open(placement, { method, sizes: {}, head });
    }
    const runs = Object.fromEntries(methods.map((method) => [method, []]));
    // The first text is not counted: strategies learn from it what rounds take and bring.
    for (let text = 0; text <= texts; text++) {
      for (const method of text % 2 === 0 ? methods : methods.toReversed()) {
        const run = await decodeText(sessions[method], config, text);
        if (text > 0) runs[method].push(run);
      }
    }
    for (const session of Object.values(sessions)) session.release();
    // The target serves the next head.
    await decoding.release();
    rows.push({ model: name, acceptance, ...figures(runs.plain, runs.jakiro) });
  }
  await target.release();
  return rows;
}

async function decodeText(session, config, text) {
  const prompt = Array.from({ length: cached + text }, (_, i) => i % config.vocabulary);
  let rows = 0;
  const result = await session.decode({
    ...{ prompt, maxTokens, sampling: product.greedy, endTokens: new Set() },
    onRound: (round) => {
      rows += round.rows.tokens.length;
    },
  });
  const { counts, timings } = result.statistics;
  let last = prompt.at(-1);
  const isRight = result.tokens.every((token) => {
    last = nextToken(config, last);
    return token === last;
  });
  const rate = product.tokensPerSecond(counts, timings);
  return { rate, tau: product.tau(counts), rowsPerRound: rows / counts.targetForwards, isRight };
}

/** Medians over texts, and of the ratios over pairs of texts. */
function figures(plain, jakiro) {
  const median = (key, runs) => product.median(runs.map((run) => run[key]));
  const speedup = product.median(jakiro.map(({ rate }, i) => rate / plain[i].rate));
  const ofTau = product.median(jakiro.map(({ rate, tau }, i) => rate / (tau * plain[i].rate)));
  return {
    plainTokensPerSecond: median("rate", plain),
    jakiroTokensPerSecond: median("rate", jakiro),
    tau: median("tau", jakiro),
    rowsPerRound: median("rowsPerRound", jakiro),
    speedup,
    ofTau,
    right: [...plain, ...jakiro].filter(({ isRight }) => isRight).length,
    texts: plain.length + jakiro.length,
  };
}

async function report() {
  console.log(`${adapter.name} (${driver}), int8, ${maxTokens} tokens behind ${cached}, medians of ${texts} texts\n`);
  const header = [
    "model",
    "acceptance",
    "plain tok/s",
    "jakiro tok/s",
    "jakiro / plain",
    "tau",
    "jakiro / (tau x plain)",
  ];
  const rows = results.map((row) => [
    row.model,
    String(row.acceptance),
    row.plainTokensPerSecond.toFixed(1),
    row.jakiroTokensPerSecond.toFixed(1),
    row.speedup.toFixed(2),
    row.tau.toFixed(2),
    row.ofTau.toFixed(2),
    row.rowsPerRound.toFixed(1),
    `${row.right}/${row.texts}`,
  ]);
  console.log(product.formatMarkdownTable([[...header, "rows a round", "right texts"], ...rows]));
  if (options.json === undefined) return;
  await product.writeResultFile(options.json, {
    adapter: { name: adapter.name, driver },
    options: { cached, maxTokens, texts },
    machine: product.describeMachine(),
    date: new Date().toISOString(),
    methods: results,
  });
}

function share(text) {
  const value = Number(text);
  if (!(value > 0 && value <= 1)) throw new Error(`--acceptance takes shares above 0 and up to 1, not "${text}".`);
  return value;
}
