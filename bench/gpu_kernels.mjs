// The kernels of the GPU engine on this machine's GPU: bandwidth of the one-row products, the price of verifying more rows, whole
// rounds with their parts, and what a dispatch costs. Weights are random; nothing is downloaded.
//   node bench/gpu_kernels.mjs [--adapter NAME] [--cached 512,8192] [--json FILE] [--tiny]
// --tiny runs everything once on a model for software adapters: it shows that the benchmark works, not how fast anything is.
import { parseArgs } from "node:util";
import { product } from "./engine.mjs";
import { Measures } from "./gpu/measures.mjs";
import { models, tinyModels } from "./gpu/randomPack.mjs";
import { count, progress } from "./options.mjs";

const { values: options } = parseArgs({
  options: {
    adapter: { type: "string" },
    cached: { type: "string", default: "512,8192" },
    json: { type: "string" },
    tiny: { type: "boolean", default: false },
  },
});
const { tiny } = options;
const cachedCounts = tiny ? [8, 200] : options.cached.split(",").map((text) => count("cached", text));
const formats = ["int4", "int8"];
const rowCounts = tiny ? [1, 4, 60] : [1, 2, 4, 8, 16, 32, 60];
const effort = tiny ? { runs: 1, decodedTokens: 4 } : undefined;
const copyBytes = tiny ? 1 << 20 : 1 << 28;
const cacheBytes = tiny ? 0 : undefined;
const shapes = tiny ? tinyModels : models;

const search = await product.listAdapters();
if ("failure" in search) throw new Error(search.failure);
const adapter = product.chooseAdapter(search.adapters, options.adapter);
const open = () => product.openDevice(adapter);
const gpu = await open();
const measures = new Measures(gpu, effort);
const copy = await measures.copyBandwidth(copyBytes);
const overhead = await measures.dispatchOverhead();
const clock = measures.timer === undefined ? "this process's clock" : "the device's clock";

const oneRow = [];
for (const { name, config } of shapes) {
  for (const format of [...formats, "float16", "float32"]) {
    progress(`One row, ${name} ${format}`, 0, 1);
    oneRow.push({ model: name, format, matrices: await measures.oneRow(config, format, cacheBytes) });
  }
}
gpu.device.destroy();

const verification = [];
for (const { name, config } of shapes) {
  for (const format of formats) {
    progress(`Verification, ${name} ${format}`, 0, 1);
    try {
      const contexts = await new Measures(await open(), effort).verification(config, format, rowCounts, cachedCounts);
      verification.push({ model: name, format, contexts });
    } catch (error) {
      console.error(`${name} ${format}: ${error.message}`);
    }
  }
}
progress("", 1, 1);
await report();
// Dawn keeps the process alive.
process.exit(0);

async function report() {
  const whole = (value) => value.toFixed(0);
  const percent = (share) => `${whole(100 * share)} %`;
  console.log(`${gpu.name} (${gpu.driver}), times by ${clock}\n`);
  console.log(
    `copy bandwidth ${copy.toFixed(1)} GB/s; an empty dispatch takes ${overhead.deviceUs.toFixed(2)} us on the device`,
  );
  console.log(`and ${overhead.encodeUs.toFixed(2)} us to encode\n`);

  const header = ["one-row product", "MB", "us", "GB/s", "of copy"];
  const products = oneRow.flatMap(({ model, format, matrices }) =>
    matrices.map(({ name, inputs, outputs, bytes, ms, gigabytesPerSecond }) => [
      `${model} ${format} ${name} ${inputs} x ${outputs}`,
      (bytes / 1e6).toFixed(1),
      (1000 * ms).toFixed(1),
      gigabytesPerSecond.toFixed(1),
      percent(gigabytesPerSecond / copy),
    ]),
  );
  console.log(product.formatMarkdownTable([header, ...products]));

  const title = ["verification, ms", ...rowCounts.map(rowsText)];
  const rows = verification.flatMap(({ model, format, contexts }) =>
    contexts.flatMap(({ cached, rows }, i) => [
      [`${model} ${format} behind ${cached} tokens`, ...rows.map(({ deviceMs }) => deviceMs.toFixed(2))],
      ["as a multiple of one row", ...multiples(rows, () => rows[0])],
      ...(i === 0
        ? []
        : [[`as a multiple of ${cachedCounts[0]} tokens`, ...multiples(rows, (column) => contexts[0].rows[column])]]),
      ["call to tokens", ...rows.map(({ wallMs }) => wallMs.toFixed(2))],
    ]),
  );
  console.log(product.formatMarkdownTable([title, ...rows]));

  const attention = verification.flatMap(({ model, format, contexts }) =>
    contexts.flatMap(({ cached, attention }) =>
      attention.map(({ rows, ms, gigabytesPerSecond, gigaflops }) => [
        `${model} ${format}, ${rowsText(rows)} behind ${cached} tokens`,
        ms.toFixed(3),
        gigabytesPerSecond.toFixed(1),
        whole(gigaflops),
      ]),
    ),
  );
  console.log(product.formatMarkdownTable([["attention of all layers", "ms", "GB/s", "GFLOP/s"], ...attention]));

  const rounds = verification.flatMap(({ model, format, contexts }) =>
    contexts.flatMap(({ cached, plain, decodingMs, readBytes }) => {
      if (plain === undefined) return [];
      const sum = kernelsMs(plain);
      const empty = (dispatchesOf(plain) * overhead.deviceUs) / 1000;
      const least = Math.max(sum, empty);
      const bound = readBytes / copy / 1e6;
      return [
        [
          `${model} ${format} behind ${cached} tokens`,
          ...[plain.onePassMs, decodingMs, sum, empty].map((ms) => ms.toFixed(2)),
          ...[plain.onePassMs, decodingMs].map((ms) => (ms / least).toFixed(2)),
          bound.toFixed(2),
          percent(bound / decodingMs),
        ],
      ];
    }),
  );
  const roundTitle = ["plain round, ms", "on the device", "decoding", "its kernels", "as many empty dispatches"];
  const shares = ["on the device / larger of both", "decoding / larger of both", "bandwidth bound", "bound / decoding"];
  console.log(product.formatMarkdownTable([[...roundTitle, ...shares], ...rounds]));

  const trees = verification.flatMap(({ model, format, contexts }) =>
    contexts.flatMap(({ cached, tree }) => {
      if (tree === undefined) return [];
      const parts = ["draft", "tree", "verify", "accept"].map((phase) => kernelsMs(tree, phase).toFixed(2));
      const multiple = (tree.onePassMs / contexts[0].tree.onePassMs).toFixed(2);
      const name = `${model} ${format}, ${rowsText(tree.rows)} behind ${cached} tokens`;
      return [[name, tree.onePassMs.toFixed(2), multiple, ...parts]];
    }),
  );
  const partTitles = ["draft", "tree", "verify", "accept"].map((part) => `kernels: ${part}`);
  const treeTitle = ["round with a tree, ms", "whole", `as a multiple of ${cachedCounts[0]} tokens`, ...partTitles];
  console.log(product.formatMarkdownTable([treeTitle, ...trees]));

  for (const { model, format, contexts } of verification) {
    const { cached, plain } = contexts[0];
    if (plain === undefined) continue;
    console.log(`${model} ${format}, a plain round behind ${cached} tokens kernel by kernel:`);
    const sum = kernelsMs(plain);
    const profile = plain.kernels.map(({ kernel, workgroups, dispatches, ms }) => [
      `${kernel} [${workgroups.join(", ")}]`,
      String(dispatches),
      ms.toFixed(3),
      percent(ms / sum),
    ]);
    console.log(`\n${product.formatMarkdownTable([["kernel", "dispatches", "ms", "share"], ...profile])}`);
  }
  if (options.json === undefined) return;
  await product.writeResultFile(options.json, {
    adapter: { name: gpu.name, driver: gpu.driver },
    machine: product.describeMachine(),
    date: new Date().toISOString(),
    clock,
    copyGigabytesPerSecond: copy,
    emptyDispatch: overhead,
    oneRow,
    verification,
  });
}

/** Milliseconds of a profile's kernels together, or of those of a part of the round. */
function kernelsMs({ kernels }, part) {
  return kernels.filter(({ phase }) => part === undefined || phase === part).reduce((sum, { ms }) => sum + ms, 0);
}

function dispatchesOf({ kernels }) {
  return kernels.reduce((sum, { dispatches }) => sum + dispatches, 0);
}

function multiples(times, referenceOf) {
  return times.map(({ deviceMs }, column) => (deviceMs / referenceOf(column).deviceMs).toFixed(2));
}

function rowsText(rows) {
  return `${rows} ${rows === 1 ? "row" : "rows"}`;
}
