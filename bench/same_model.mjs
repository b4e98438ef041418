// Is this the same model as llama.cpp's? Greedy text in float32, agreement and likelihood in int8, infilling accuracy.
//   node bench/same_model.mjs [--parts text,infilling] [--prompts 50] [--limit 300] [--data DIR] [--model NAME|FILE] [--json FILE]
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { product } from "./engine.mjs";
import { LlamaPeer } from "./llamacpp.mjs";
import { commonOptions, count, progress, root, suitePath } from "./options.mjs";
import { TeacherForced } from "./teacherForced.mjs";

const { values: options } = parseArgs({
  options: {
    ...commonOptions,
    parts: { type: "string", default: "text,infilling" },
    prompts: { type: "string", default: "50" },
    limit: { type: "string", default: "300" },
  },
});

const textTokens = 32;
/** Logits of llama.cpp that are kept of every step, largest first. */
const keptLogits = 64;
const largestContext = 2048;
/** The model file, as llama.cpp reads it: flash attention off, which keeps its sums in float32. */
const peerSettings = { flashAttention: false };

const { path } = await product.locateModel(options.model);
const machine = product.describeMachine();
const parts = new Set(options.parts.split(","));
for (const part of parts) if (part !== "text" && part !== "infilling") throw new Error(`--parts has no "${part}".`);
const results = { model: basename(path), machine, date: new Date().toISOString() };

if (parts.has("text")) Object.assign(results, await compareText());
if (parts.has("infilling")) results.infilling = await compareInfilling();
if (options.json !== undefined) await product.writeResultFile(options.json, results);
process.exit(0);

async function compareText() {
  const suite = await product.readSuite(suitePath(options, "HumanEval.jsonl.gz"));
  const records = product.spread(suite, count("prompts", options.prompts));
  const theirs = await peerTexts(records);
  const float32 = await float32Figures(records, theirs);
  const int8 = await int8Figures(theirs, float32.nlls);
  const { nlls: _, ...report } = float32;
  return {
    tokenizer: { equal: theirs.filter((their) => their.sameIds).length, total: theirs.length },
    ...report,
    ...int8,
  };
}

/** llama.cpp's greedy texts with their logits, and its likelihood of the records' own solutions. */
async function peerTexts(records) {
  const { tokenizer, release } = await loadEngine("int8");
  const peer = await LlamaPeer.load({ modelPath: path, threads: machine.threads });
  const texts = [];
  for (const [i, { prompt, canonicalSolution }] of records.entries()) {
    progress("llama.cpp", i, records.length);
    const ids = begin(tokenizer, prompt);
    const solution = begin(tokenizer, prompt + canonicalSolution);
    const { endTokens } = tokenizer;
    const limits = { maxTokens: textTokens, endTokens, settings: peerSettings, top: keptLogits };
    const { tokens, logits } = await peer.greedyWithLogits(ids, limits);
    const peerIds = [...begin(tokenizer, ""), ...peer.tokenize(prompt)];
    const nll = await peer.score(solution, peerSettings);
    texts.push({ prompt: ids, tokens, logits, solution, nll, sameIds: peerIds.join() === ids.join() });
  }
  await peer.dispose();
  await release();
  return texts;
}

async function float32Figures(records, theirs) {
  const { engine, tokenizer, release } = await loadEngine("float32");
  const session = await engine.session("plain");
  const target = new TeacherForced(engine.sequence(largestContext));
  const differences = [];
  const nlls = [];
  for (const [i, their] of theirs.entries()) {
    progress("float32", i, theirs.length);
    session.reset();
    const { prompt } = their;
    const { tokens } = await session.decode({
      prompt,
      maxTokens: textTokens,
      sampling: product.greedy,
      endTokens: tokenizer.endTokens,
    });
    nlls.push(await target.negativeLogLikelihoods(their.solution));
    const at = tokens.findIndex((token, step) => token !== their.tokens[step]);
    if (at < 0) continue;
    const [ours, peers] = [tokens[at], their.tokens[at]];
    const [logits] = await target.logits([...prompt, ...tokens.slice(0, at)], 1);
    const peerLogits = their.logits[at];
    differences.push({
      line: records[i].lineNumber,
      step: at,
      ours: tokenizer.token(ours),
      peers: tokenizer.token(peers),
      gap: logits[ours] - logits[peers],
      peerGap: peerLogits.get(peers) - (peerLogits.get(ours) ?? Number.NEGATIVE_INFINITY),
    });
  }
  await release();
  const total = theirs.length;
  const float32 = {
    equalTexts: total - differences.length,
    total,
    largestGap: Math.max(0, ...differences.map(({ gap }) => gap)),
    differences,
    nllPerToken: mean(nlls.flat()),
    peerNllPerToken: mean(theirs.flatMap(({ nll }) => nll)),
  };
  console.log(
    `float32: ${float32.equalTexts} of ${total} greedy texts of ${textTokens} tokens equal llama.cpp's; ` +
      `largest gap at a first difference ${float32.largestGap.toFixed(3)} logits`,
  );
  for (const { line, step, ours, peers, gap, peerGap } of differences) {
    console.log(
      `  line ${line}, token ${step}: ${JSON.stringify(ours)} by ${gap.toFixed(3)}, ` +
        `llama.cpp ${JSON.stringify(peers)} by ${peerGap.toFixed(3)}`,
    );
  }
  return { float32, nlls };
}

async function int8Figures(theirs, float32Nlls) {
  const { engine, release } = await loadEngine("int8");
  const target = new TeacherForced(engine.sequence(largestContext));
  let agreed = 0;
  let asked = 0;
  const nlls = [];
  for (const [i, { prompt, tokens, solution }] of theirs.entries()) {
    progress("int8", i, theirs.length);
    const choices = await target.choices([...prompt, ...tokens.slice(0, -1)], tokens.length);
    agreed += tokens.filter((token, step) => token === choices[step]).length;
    asked += tokens.length;
    nlls.push(await target.negativeLogLikelihoods(solution));
  }
  await release();
  const nllPerToken = mean(nlls.flat());
  const int8 = {
    agreement: agreed / asked,
    tokens: asked,
    nllPerToken,
    nllTokens: nlls.flat().length,
    nllAboveFloat32: nllPerToken - mean(float32Nlls.flat()),
  };
  console.log(
    `int8: top-1 agreement on llama.cpp's greedy text ${percent(int8.agreement)} of ${asked} tokens; ` +
      `NLL ${nllPerToken.toFixed(4)} per token, ${int8.nllAboveFloat32.toFixed(4)} above float32's (${int8.nllTokens} tokens)`,
  );
  return { int8 };
}

/** Exact first lines: ours from the command line, llama.cpp's with the same token ids. */
async function compareInfilling() {
  const suite = suitePath(options, "HumanEval-SingleLineInfilling.jsonl.gz");
  const records = product.spread(await product.readSuite(suite), count("limit", options.limit));
  const { engine, tokenizer, release } = await loadEngine("int8");
  const peer = await LlamaPeer.load({ modelPath: path, threads: machine.threads });
  let exact = 0;
  for (const [i, record] of records.entries()) {
    progress("llama.cpp infilling", i, records.length);
    const { tokens } = await peer.greedy(product.promptOf(record, engine, largestContext - 64), {
      maxTokens: 64,
      endTokens: tokenizer.endTokens,
      settings: peerSettings,
      until: (text) => textOf(tokenizer, text).includes("\n"),
    });
    const line = product.firstLineOf(textOf(tokenizer, tokens));
    if (line === product.firstLineOf(record.canonicalSolution)) exact++;
  }
  await peer.dispose();
  await release();
  const llamacpp = { firstLineExactMatch: exact / records.length };
  const ours = evaluateInfilling(suite);
  console.log(
    `infilling, ${records.length} records: first line exact ${percent(ours.firstLineExactMatch)} ` +
      `(llama.cpp ${percent(llamacpp.firstLineExactMatch)}), all lines ${percent(ours.allLinesExactMatch)}`,
  );
  return { total: records.length, ours, llamacpp };
}

function evaluateInfilling(suite) {
  const folder = mkdtempSync(join(tmpdir(), "jakiro-bench-"));
  try {
    const json = join(folder, "infilling.json");
    const argv = [
      "evaluate",
      "infilling",
      "--suite",
      suite,
      "--limit",
      options.limit,
      "--model",
      options.model,
      "--json",
      json,
    ];
    const { status } = spawnSync(process.execPath, [join(root, "dist", "cli.js"), ...argv], { stdio: "inherit" });
    if (status !== 0) throw new Error("`jakiro evaluate infilling` failed; run `npm run build` first.");
    const { firstLineExactMatch, allLinesExactMatch } = JSON.parse(readFileSync(json, "utf8"));
    return { firstLineExactMatch, allLinesExactMatch };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function loadEngine(format) {
  const engine = await product.Engine.load({ path, format, head: "none", capacity: largestContext });
  return { engine, tokenizer: engine.tokenizer, release: () => engine.release() };
}

/** A text's token ids as the engine decodes after them. */
function begin(tokenizer, text) {
  const ids = tokenizer.encode(text);
  return tokenizer.beginToken === undefined ? ids : [tokenizer.beginToken, ...ids];
}

function textOf(tokenizer, tokens) {
  return Buffer.concat(tokens.map((token) => tokenizer.bytes(token))).toString("utf8");
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}
