import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { completeDocument, patientSuffixTokens } from "../engine/complete.ts";
import type { Method } from "../engine/decoding/method.ts";
import { greedy } from "../engine/decoding/sampling.ts";
import { acceptanceByDepth, tau, tokensPerSecond } from "../engine/decoding/statistics.ts";
import type { DecodingSession } from "../engine/decodingSession.ts";
import { Engine } from "../engine/engine.ts";
import { defaultModelName, packageRoot } from "../engine/model/catalogue.ts";
import { median } from "./benchReport.ts";
import type { CommandContext } from "./command.ts";
import { type Example, exampleIn } from "./demoExample.ts";
import { ensureModel } from "./ensureModel.ts";
import { runProgram } from "./program.ts";

const files = ["inventory.py", "geometry.ts", "schedule.js"];
const maxTokens = 96;
/** Each example runs this often, both ways in turn; the medians count. */
const repetitions = 3;

interface Run {
  readonly text: string;
  readonly tau: number;
  readonly acceptanceByDepth: readonly number[];
  readonly tokensPerSecond: number;
}

/** Fetches the model if need be, completes the example files, and says how fast that was beside plain decoding. */
async function demo(context: CommandContext): Promise<void> {
  const { signal, progress, note, print } = context;
  const { path } = await ensureModel(defaultModelName, {
    allowMirror: true,
    signal,
    onProgress: progress,
    onNote: note,
  });
  const engine = await Engine.load({ path, progress, signal, device: "auto", sessions: 2, onNote: note });
  const method: Method = engine.headKinds.includes("jakiro") ? "jakiro" : "auto";
  const plain = await engine.session("plain");
  const drafting = await engine.session(method);
  const seconds = (engine.loadMs / 1000).toFixed(1);
  print(`${engine.modelName} on the ${engine.device.toUpperCase()}, loaded in ${seconds} s; method ${method}\n`);
  for (const [index, file] of files.entries()) {
    const example = exampleIn(file, await readFile(join(packageRoot(), "examples", file), "utf8"));
    if (index === 0) for (const session of [plain, drafting]) await run(engine, session, example, signal);
    const runs: { plain: Run; drafted: Run }[] = [];
    for (let repetition = 0; repetition < repetitions; repetition++) {
      runs.push({
        plain: await run(engine, plain, example, signal),
        drafted: await run(engine, drafting, example, signal),
      });
    }
    print(describe(example, runs));
  }
}

/** One completion from nothing: no run helps the next one. */
async function run(engine: Engine, session: DecodingSession, example: Example, signal: AbortSignal): Promise<Run> {
  session.reset();
  const { text, statistics } = await completeDocument(engine, session, {
    ...example,
    suffixTokens: patientSuffixTokens,
    maxTokens,
    sampling: greedy,
    signal,
  });
  signal.throwIfAborted();
  const { counts, timings } = statistics;
  return {
    text,
    tau: tau(counts),
    acceptanceByDepth: acceptanceByDepth(counts),
    tokensPerSecond: tokensPerSecond(counts, timings),
  };
}

function describe(example: Example, runs: readonly { plain: Run; drafted: Run }[]): string {
  const { drafted } = runs[0]!;
  const speed = median(runs.map((pair) => pair.drafted.tokensPerSecond))!;
  const speedup = median(runs.map((pair) => pair.drafted.tokensPerSecond / pair.plain.tokensPerSecond))!;
  const same = runs.every((pair) => pair.plain.text === pair.drafted.text);
  const linePrefix = example.prefix.slice(example.prefix.lastIndexOf("\n") + 1);
  const acceptance = drafted.acceptanceByDepth.map((share) => share.toFixed(2)).join(" ");
  return `
--- ${example.path}, line ${example.line}, character ${example.character}
${linePrefix}${drafted.text}
---
text ${same ? "equal to" : "NOT EQUAL to"} plain decoding's; acceptance by depth: ${acceptance || "nothing drafted"}
tau ${drafted.tau.toFixed(2)}  ${speed.toFixed(1)} tok/s  ${speedup.toFixed(2)}x
`;
}

runProgram("demo", demo);
