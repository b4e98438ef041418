// Throughput of texts that are decoded at the same time on this machine's GPU: Jakiro against plain decoding at the same batch.
//   node bench/gpu_batch.mjs [--model NAME|FILE] [--head FOLDER] [--suite FILE] [--batches 1,2,4,8,16,32] [--limit 32]
//                            [--max-tokens 96] [--adapter NAME] [--json FILE] [--tiny]
// All texts of a batch begin with their prompts read and have the same length. What counts is the time in which all of them were
// being decoded: it ends with the first that is finished. --tiny takes a model for software adapters: it shows that the benchmark
// works, not how fast anything is.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { product } from "./engine.mjs";
import { commonOptions, count, progress, root, suitePath } from "./options.mjs";

const { values: options } = parseArgs({
  options: {
    ...commonOptions,
    head: { type: "string" },
    suite: { type: "string", default: "HumanEval.jsonl.gz" },
    batches: { type: "string", default: "1,2,4,8,16,32" },
    limit: { type: "string" },
    "max-tokens": { type: "string", default: "96" },
    adapter: { type: "string" },
    tiny: { type: "boolean", default: false },
  },
});
const methods = ["plain", "jakiro"];
const batches = options.batches.split(",").map((batch) => count("batches", batch));
const largest = Math.max(...batches);
const limit = count("limit", options.limit ?? String(largest));
const maxTokens = count("max-tokens", options["max-tokens"]);
/** Room for a prompt beside what is decoded. */
const promptTokens = 512;

if (options.json !== undefined) await product.checkResultFile(options.json);
const records = product.spread(await product.readSuite(suitePath(options, options.suite)), limit);
const scratch = mkdtempSync(join(tmpdir(), "jakiro-bench-"));
process.on("exit", () => rmSync(scratch, { recursive: true }));
const { path, head } = options.tiny ? tinyModel() : await installedModel();
const engine = await product.Engine.load({
  path,
  device: "gpu",
  capacity: promptTokens + maxTokens,
  sessions: largest,
  progress: ({ stage, done, total }) => progress(stage, done, total),
  onNote: (note) => console.error(note),
  ...(options.adapter === undefined ? {} : { adapter: options.adapter }),
  ...(head === undefined ? {} : { head }),
});
const prompts = records.map((record) => product.promptOf(record, engine, engine.capacity - maxTokens));
const results = [];
for (const batch of batches) results.push(await measure(batch));
progress("", 1, 1);
await report();
await engine.release();
// Dawn keeps the process alive.
process.exit(0);

async function installedModel() {
  return { path: (await product.locateModel(options.model)).path, head: options.head };
}

/** A model of the test fixtures, with a head that knows nothing. */
function tinyModel() {
  const path = join(root, "test", "fixtures", "models", "tiny-qwen2.gguf");
  const checkpoint = product.openCheckpoint(path);
  const head = product.writeRandomHead(join(scratch, "head"), checkpoint.config, { kind: "jakiro" });
  checkpoint.close();
  return { path, head };
}

async function measure(batch) {
  const figures = {};
  for (const method of methods) {
    const sessions = [];
    for (let i = 0; i < batch; i++) sessions.push(await engine.session(method));
    // Pipelines and bind groups of the first rounds are made once.
    await decodeGroup(sessions, 0);
    const groups = [];
    for (let first = 0; first < prompts.length; first += batch) {
      progress(`${method}, batch ${batch}`, first, prompts.length);
      groups.push(await decodeGroup(sessions, first));
    }
    for (const session of sessions) session.release();
    figures[method] = summed(groups);
  }
  const { plain, jakiro } = figures;
  const identical = jakiro.texts.filter((text, i) => text.join() === plain.texts[i].join()).length;
  const rated = ({ rate, rounds, tau, rows }) => ({ tokensPerSecond: rate, rounds, tau, rowsPerText: rows });
  return { batch, identical, texts: plain.texts.length, plain: rated(plain), jakiro: rated(jakiro) };
}

/** Decodes as many texts as there are sessions at once, from the prompt `first` on, beginning again behind the last prompt. */
async function decodeGroup(sessions, first) {
  const texts = sessions.map((session, i) => ({ session, prompt: prompts[(first + i) % prompts.length] }));
  for (const { session, prompt } of texts) {
    session.reset();
    await session.prefill({ prompt });
  }
  const group = { milliseconds: 0, tokens: 0, rounds: 0, rows: 0, committed: 0, texts: [] };
  const start = startTogether(texts.length);
  const decoded = await Promise.all(
    texts.map(async ({ session, prompt }) => {
      const { tokens } = await session.decode({
        prompt,
        maxTokens,
        sampling: product.greedy,
        endTokens: new Set(),
        turn: start.turn(),
        onTokens(fresh) {
          if (group.milliseconds === 0) group.tokens += fresh.length;
        },
        onRound({ rows, accepted }) {
          if (group.milliseconds > 0) return;
          group.rounds++;
          group.rows = Math.max(group.rows, rows.tokens.length);
          group.committed += accepted.tokens.length;
        },
      });
      if (group.milliseconds === 0) group.milliseconds = performance.now() - start.time;
      return tokens;
    }),
  );
  group.texts = decoded.slice(0, Math.max(0, prompts.length - first));
  return group;
}

/** Holds the first rounds back until every text has come to them. */
function startTogether(count) {
  let missing = count;
  let open;
  const all = new Promise((resolve) => {
    open = resolve;
  });
  const start = {
    time: 0,
    turn() {
      let isHere = false;
      // Turns for prompts come without company.
      return async (company) => {
        if (company === undefined || isHere) return;
        isHere = true;
        if (--missing === 0) {
          start.time = performance.now();
          open();
        }
        await all;
      };
    },
  };
  return start;
}

function summed(groups) {
  const sum = (key) => groups.reduce((total, group) => total + group[key], 0);
  return {
    rate: (1000 * sum("tokens")) / sum("milliseconds"),
    rounds: sum("rounds"),
    tau: sum("committed") / sum("rounds"),
    rows: Math.max(...groups.map(({ rows }) => rows)),
    texts: groups.flatMap(({ texts }) => texts),
  };
}

async function report() {
  console.log(`${engine.adapter}, ${engine.modelName}, ${records.length} texts of ${maxTokens} tokens\n`);
  const header = ["batch", "plain tok/s", "jakiro tok/s", "jakiro / plain", "tau", "rows a text", "identical"];
  const rows = results.map(({ batch, plain, jakiro, identical, texts }) => [
    String(batch),
    plain.tokensPerSecond.toFixed(1),
    jakiro.tokensPerSecond.toFixed(1),
    (jakiro.tokensPerSecond / plain.tokensPerSecond).toFixed(2),
    jakiro.tau.toFixed(2),
    String(jakiro.rowsPerText),
    `${identical}/${texts}`,
  ]);
  console.log(product.formatMarkdownTable([header, ...rows]));
  if (options.json === undefined) return;
  await product.writeResultFile(options.json, {
    adapter: engine.adapter,
    suite: options.suite,
    records: records.length,
    options: { maxTokens },
    model: { name: engine.modelName, sha256: engine.contentHash },
    machine: product.describeMachine(),
    date: new Date().toISOString(),
    batches: results,
  });
}
