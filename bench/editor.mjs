// From a keystroke to ghost text: typing traces replayed in a real VS Code, on the real model, without a network.
//   node bench/editor.mjs [--limit KEYSTROKES] [--language python,...] [--model NAME|FILE] [--open-network] [--json FILE] [--raw FILE]
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bundle } from "./bundle.mjs";
import { product } from "./engine.mjs";
import { commonOptions, count, progress, root } from "./options.mjs";

const { values: options } = parseArgs({
  options: {
    model: commonOptions.model,
    json: { ...commonOptions.json, default: join(root, "bench", "results", "editor.json") },
    raw: { type: "string" },
    limit: { type: "string" },
    language: { type: "string" },
    "open-network": { type: "boolean", default: false },
  },
});

/** Set for the run inside of the network namespace. */
const isIsolated = process.env.JAKIRO_BENCH_ISOLATED === "1";

const targets = { allP50: 120, neededModelP50: 350, neededModelP95: 900, hostP95: 2 };

if (!isIsolated) build();
if (isIsolated || options["open-network"]) await measure();
else process.exitCode = await runIsolated();

/** As `npm run build` does: what is measured is what ships. */
function build() {
  const { status } = spawnSync(process.execPath, [join(root, "esbuild.mjs")], { stdio: "inherit", cwd: root });
  if (status !== 0) process.exit(status ?? 1);
}

/**
 * Runs this again where the loopback is the only network that there is, and the programs it starts, the engine included, end
 * with it. Resolves to its exit code.
 */
async function runIsolated() {
  const isolated = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--map-root-user"];
  const withLoopback = [...isolated, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"];
  if (spawnSync("unshare", [...withLoopback, "true"]).status !== 0) {
    console.error(
      "A network namespace cannot be made here (it takes Linux, unshare and ip); --open-network measures without one, and " +
        "then nothing is said about connections.",
    );
    return 1;
  }
  const child = spawn("unshare", [...withLoopback, process.execPath, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, JAKIRO_BENCH_ISOLATED: "1" },
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill("SIGKILL"));
  const [code] = await once(child, "exit");
  return code ?? 1;
}

async function measure() {
  await product.checkResultFile(options.json);
  const editor = createRequire(import.meta.url)(await bundle("editor/main.ts"));
  const chosen = options.language?.split(",") ?? editor.languages;
  const folder = join(root, "bench", "suites", "typing");
  const share = options.limit === undefined ? Infinity : Math.ceil(count("limit", options.limit) / chosen.length);
  const sittings = chosen.flatMap((language) => editor.shortened(editor.readSittings(folder, language), share));
  if (sittings.length === 0)
    throw new Error(`There are no traces of ${options.language}; there are ${editor.languages}.`);

  const {
    sittings: replayed,
    editor: versions,
    connections,
  } = await editor.replay({
    sittings,
    model: options.model,
    witness: await bundle("editor/witness.ts"),
    isIsolated,
    onSitting: (done) => progress("Typing", done, sittings.length),
  });
  progress("Typing", sittings.length, sittings.length);
  if (options.raw !== undefined) await product.writeResultFile(options.raw, replayed);
  const figures = editor.figuresOf(replayed);
  const machine = product.describeMachine();
  report(figures, versions, machine, connections);
  await product.writeResultFile(options.json, {
    suite: "typing",
    sittings: sittings.map(({ language, file, keys }) => ({ language, file, keystrokes: keys.length })),
    editor: versions,
    machine,
    date: new Date().toISOString(),
    targets,
    ...figures,
    connections,
  });
  if (connections.engine > 0 || connections.extensionHost.length > 0) {
    throw new Error("The extension or its engine tried to reach another machine.");
  }
  process.exit(0);
}

function report(figures, { vscode, browser, model, heads }, { processor, features, threads }, connections) {
  const ms = (value) => (value === undefined ? "-" : value < 10 ? value.toFixed(2) : value.toFixed(0));
  const percent = (value) => (value === undefined ? "-" : `${(100 * value).toFixed(1)} %`);
  const rate = (value) => value.toFixed(2);
  const verdict = (value, limit) =>
    value === undefined ? "" : value <= limit ? `(met: ${limit})` : `(missed: ${limit})`;
  const latency = (name, { count, p50, p95 }) => [name, String(count), ms(p50), ms(p95)];
  const { all, neededModel, asked, joined, fromCache, keptByEditor, hostMs, hostWallMs, outcomes, suggestions } =
    figures;
  console.log(
    product.formatMarkdownTable([
      ["from key to ghost text, ms", "keystrokes", "p50", "p95"],
      latency("all that were shown one", all),
      latency("needed the model", neededModel),
      latency("- with a request of their own", asked),
      latency("- with one sent earlier", joined),
      latency("from the cache", fromCache),
      latency("kept by the editor while typed into", keptByEditor),
      latency("extension host's time, every keystroke", hostMs),
      latency("- with its waiting for a processor", hostWallMs),
    ]),
  );
  const part = ({ name, count, mean, p50, p95 }) => [name, String(count), ms(mean), ms(p50), ms(p95)];
  console.log(
    product.formatMarkdownTable([
      ["where a request's keystroke waits, ms", "keystrokes", "mean", "p50", "p95"],
      ...figures.parts.map(part),
      ["of the time until the first text:", "", "", "", ""],
      ...figures.engineParts.map(part),
    ]),
  );
  const longest = figures.hostFunctions.slice(0, 8).map(({ name, ms: spent }) => `${name} ${spent.toFixed(2)}`);
  console.log(`extension host's functions, ms a keystroke: ${longest.join(", ")}`);
  console.log(
    `${figures.keystrokes} keystrokes: ${outcomes.shown} shown a suggestion, ${outcomes.overtaken} overtaken by the next key, ` +
      `${outcomes.nothing} with nothing to suggest, ${outcomes.hidden} not drawn`,
  );
  console.log(
    `all p50 ${ms(all.p50)} ms ${verdict(all.p50, targets.allP50)}; needed the model p50 ${ms(neededModel.p50)} ms ` +
      `${verdict(neededModel.p50, targets.neededModelP50)}, p95 ${ms(neededModel.p95)} ms ` +
      `${verdict(neededModel.p95, targets.neededModelP95)}; host p95 ${ms(hostMs.p95)} ms ${verdict(hostMs.p95, targets.hostP95)}`,
  );
  console.log(
    `per keystroke: ${rate(figures.requestsPerKeystroke)} requests, ${rate(figures.prefetchesPerKeystroke)} prefetches, ` +
      `${rate(suggestions.perKeystroke)} suggestions offered; cache hits ${percent(figures.cacheHitRate)}, ` +
      `joined ${percent(figures.joinedRate)}`,
  );
  console.log(
    `of ${suggestions.offered} suggestions, typed through to the end ${percent(suggestions.typedThrough)}, ` +
      `their first line ${percent(suggestions.firstLineTypedThrough)}; several lines among those that needed the model ` +
      `${percent(figures.multiLineShare)}`,
  );
  const hosts = (list) => (list.length === 0 ? "none" : list.join(", "));
  console.log(
    `attempts to reach other machines: engine ${connections.engine ?? "not watched"}, extension host ` +
      `${hosts(connections.extensionHost)}; VS Code's own page ${hosts(connections.page)}`,
  );
  console.log(`VS Code ${vscode}, ${browser}; ${model} with ${heads.join(", ") || "no head"}`);
  console.log(`${processor} (${features?.join(", ")}), ${threads} threads`);
}
