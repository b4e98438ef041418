// One way of loading a model in a process of its own, for latency.mjs: prints what it took as a line of JSON.
//   node bench/loadProcess.mjs calibrate|load MODEL.gguf
// Packed weights are kept in JAKIRO_CACHE_DIR.
import { product } from "./engine.mjs";

const [way, path] = process.argv.slice(2);
const ways = { calibrate, load };
if (!Object.hasOwn(ways, way)) throw new Error(`There is no way "${way}" of loading; name calibrate or load.`);

const start = performance.now();
const figures = await ways[way]();
const ms = performance.now() - start;
const { rss } = process.memoryUsage();
console.log(
  JSON.stringify({ ms, ...figures, residentBytes: rss, peakResidentBytes: process.resourceUsage().maxRSS * 1024 }),
);
process.exit(0);

/** Packs the file as one of a model whose smoothing is not known: finds the divisors on the calibration text first. */
async function calibrate() {
  const checkpoint = product.openCheckpoint(path);
  await product.packTarget({
    checkpoint,
    format: "int8",
    root: product.packedDirectory(),
    calibrationTokens: product.loadTokenizer(path).encode(product.calibrationText),
    threads: product.describeMachine().threads,
  });
  return {};
}

/** A user's start: the model, and the session in which `auto` decodes, its head included. */
async function load() {
  const engine = await product.Engine.load({ path });
  await engine.session("auto");
  return { modelMs: engine.loadMs };
}
