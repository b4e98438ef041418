import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { JakiroError } from "../errors.ts";
import type { Checkpoint } from "../model/checkpoint.ts";
import { Calibration } from "./calibrate.ts";
import type { PackedVector } from "./decoderLayer.ts";
import { packLayer, readLayer, readVector } from "./layerWeights.ts";
import type { PackedMatrix } from "./linear.ts";
import type { ExternalData } from "./onnxWriter.ts";
import { discard, writeOnce } from "./packDirectory.ts";
import { packingFor } from "./packingFor.ts";
import { isQuantized, MatrixPacker, type Packing, type WeightFormat } from "./packMatrix.ts";
import { columnMaxima, divisors, type LayerSmoothing, layerSmoothing, type Smoothing } from "./smoothing.ts";
import { decodeSmoothing, encodeSmoothing } from "./smoothingFile.ts";
import { buildBody, buildLmHead, type PackedLayer } from "./targetGraph.ts";
import { FileSink, packVector } from "./weightSink.ts";

/** Raised whenever the packed files' meaning changes: older packs are then made anew. */
const packVersion = 6;

/** Rows of the LM head that are dequantized at a time. */
const rowsAtATime = 4096;

export interface PackRequest {
  readonly checkpoint: Checkpoint;
  readonly format: WeightFormat;
  /** Folder that holds packed models. */
  readonly root: string;
  /** Divisors that ship with a catalogue model; without them they are found by calibration. */
  readonly smoothing?: Smoothing;
  /** Token ids of the calibration text. */
  readonly calibrationTokens: readonly number[];
  readonly threads: number;
  /** What this processor needs, where absent. */
  readonly packing?: Packing;
  readonly progress?: (done: number, total: number) => void;
}

/** Where a pack goes, and how it is packed. */
interface Destination {
  readonly directory: string;
  readonly packing: Packing;
}

/** A model packed for this engine: graphs with their weights beside them, ready to be mapped. */
export interface PackedTarget {
  readonly directory: string;
  readonly format: WeightFormat;
  /** SHA-256 of the model's weights. */
  readonly source: string;
  readonly body: string;
  readonly lmHead: string;
  /** Where each weight lies in the files beside the graphs, for engines that run no graph. */
  readonly weights: PackedWeights;
  /** SHA-256 of the smoothing divisors; a head is trained on the features of one such set. "none" for weights that are no steps. */
  readonly smoothingHash: string;
}

export interface PackedWeights {
  readonly layers: readonly PackedLayer[];
  readonly outputNorm: PackedVector;
  readonly lmHead: PackedMatrix;
  /** [hidden]: inverse of the smoothing that the LM head carries. */
  readonly unsmooth: PackedVector;
}

interface PackDescription {
  readonly format: WeightFormat;
  readonly source: string;
  readonly smoothingHash: string;
  readonly weights: PackedWeights;
}

/** Finds the packed form of a checkpoint, or makes it: atomically, so that a cut leaves nothing half-written. */
export async function packTarget(request: PackRequest): Promise<PackedTarget> {
  const { checkpoint, format } = request;
  const source = await checkpoint.contentHash();
  const given = request.smoothing === undefined ? "own" : hashOf(encodeSmoothing(request.smoothing)).slice(0, 8);
  const packing = request.packing ?? (await packingFor(format));
  const directory = join(request.root, `${source.slice(0, 16)}-${packing}-${given}-v${packVersion}`);
  let packed = readPack(directory);
  if (packed === undefined) {
    discard(directory);
    await writeOnce(directory, async (draft) => {
      const description: PackDescription = {
        format,
        source,
        ...(await writePack(request, { directory: draft, packing })),
      };
      writeFileSync(join(draft, "pack.json"), JSON.stringify(description));
    });
    packed = readPack(directory);
  }
  if (packed === undefined) {
    throw new JakiroError("io", `The packed model in ${directory} cannot be read; remove that folder and try again.`);
  }
  return {
    directory,
    format,
    source,
    body: join(directory, "body.onnx"),
    lmHead: join(directory, "lm_head.onnx"),
    weights: packed.weights,
    smoothingHash: packed.smoothingHash,
  };
}

/** What a pack holds; undefined where its description cannot be read, or its files are shorter than it says. */
function readPack(directory: string): PackDescription | undefined {
  try {
    const packed = JSON.parse(readFileSync(join(directory, "pack.json"), "utf8")) as PackDescription;
    const isThere = ({ location, offset, length }: ExternalData) =>
      statSync(join(directory, location)).size >= offset + length;
    return externalData(packed.weights).every(isThere) ? packed : undefined;
  } catch {
    return undefined;
  }
}

/** Every place in a data file that a description names. */
function externalData(value: unknown): readonly ExternalData[] {
  if (typeof value !== "object" || value === null) return [];
  return "location" in value ? [value as ExternalData] : Object.values(value).flatMap(externalData);
}

/** Divisors that bring features to one size, [hidden]; undefined where the pack has none (float32 and float16). */
export function featureSmoothing({ directory }: PackedTarget): Float32Array | undefined {
  const path = join(directory, "smoothing.safetensors");
  return existsSync(path) ? decodeSmoothing(path).lmHead : undefined;
}

async function writePack(
  request: PackRequest,
  destination: Destination,
): Promise<Pick<PackDescription, "smoothingHash" | "weights">> {
  const { checkpoint, format, smoothing, progress } = request;
  const { directory } = destination;
  const { layers } = checkpoint.config;
  const calibration =
    isQuantized(format) && smoothing === undefined
      ? new Calibration(checkpoint, request.calibrationTokens, request.threads)
      : undefined;
  const body = await FileSink.into(join(directory, "body.bin"), (sink) =>
    packBody(request, calibration, destination, sink),
  );
  progress?.(layers, layers + 1);
  const lmHead = await FileSink.into(join(directory, "lm_head.bin"), (sink) =>
    packLmHead(request, calibration, destination, sink),
  );
  progress?.(layers + 1, layers + 1);
  const weights = {
    layers: body.layers,
    outputNorm: body.outputNorm,
    lmHead: lmHead.matrix,
    unsmooth: lmHead.unsmooth,
  };
  if (lmHead.smoothing === undefined) return { smoothingHash: "none", weights };
  const encoded = encodeSmoothing({ layers: body.smoothings, lmHead: lmHead.smoothing });
  writeFileSync(join(directory, "smoothing.safetensors"), encoded);
  return { smoothingHash: hashOf(encoded), weights };
}

/** `smoothings` are the divisors it packed with, layer by layer; none where weights are no steps. */
async function packBody(
  { checkpoint, format, smoothing: given, progress }: PackRequest,
  calibration: Calibration | undefined,
  { directory, packing }: Destination,
  sink: FileSink,
): Promise<{ layers: PackedLayer[]; outputNorm: PackedVector; smoothings: LayerSmoothing[] }> {
  const { config } = checkpoint;
  const layers: PackedLayer[] = [];
  const smoothings: LayerSmoothing[] = [];
  for (let index = 0; index < config.layers; index++) {
    progress?.(index, config.layers + 1);
    const weights = readLayer(checkpoint, index);
    let smoothing = isQuantized(format) ? given?.layers[index] : undefined;
    if (calibration !== undefined) smoothing = layerSmoothing(config, await calibration.advance(weights), weights);
    if (smoothing !== undefined) smoothings.push(smoothing);
    layers.push(packLayer(sink, `layers.${index}`, packing, config.headDim, weights, smoothing));
    await new Promise(setImmediate);
  }
  const outputNorm = packVector(sink, "output_norm", readVector(checkpoint, "outputNorm"));
  writeFileSync(join(directory, "body.onnx"), buildBody(config, layers, outputNorm));
  return { layers, outputNorm, smoothings };
}

/** `smoothing` are the divisors [hidden] it packed with; none where weights are no steps. */
function packLmHead(
  { checkpoint, format, smoothing: given }: PackRequest,
  calibration: Calibration | undefined,
  { directory, packing }: Destination,
  sink: FileSink,
): { matrix: PackedMatrix; unsmooth: PackedVector; smoothing: Float32Array | undefined } {
  const { config } = checkpoint;
  const output = config.tiedEmbeddings ? "embedding" : "output";
  let smoothing = isQuantized(format) ? given?.lmHead : undefined;
  if (calibration !== undefined) {
    const ranges = calibration.featureRanges(readVector(checkpoint, "outputNorm"));
    smoothing = divisors(ranges, maximaOf(checkpoint, output));
  }
  const packer = new MatrixPacker(packing, config.hidden, config.vocabulary, smoothing);
  for (const { rows, count } of chunks(checkpoint, output)) packer.addRows(rows, count);
  const matrix = packer.finish(sink, "lm_head");
  const inverse = smoothing?.map((divisor) => 1 / divisor) ?? new Float32Array(config.hidden).fill(1);
  const unsmooth = packVector(sink, "lm_head.unsmooth", inverse);
  writeFileSync(join(directory, "lm_head.onnx"), buildLmHead(config, matrix, unsmooth));
  return { matrix, unsmooth, smoothing };
}

function* chunks(
  checkpoint: Checkpoint,
  name: "embedding" | "output",
): Generator<{ rows: Float32Array; count: number }> {
  const [total, columns] = checkpoint.shape(name);
  const buffer = new Float32Array(Math.min(rowsAtATime, total) * columns);
  for (let first = 0; first < total; first += rowsAtATime) {
    const count = Math.min(rowsAtATime, total - first);
    yield { rows: checkpoint.readRows(name, first, count, buffer), count };
  }
}

function maximaOf(checkpoint: Checkpoint, name: "embedding" | "output"): Float32Array {
  const inputs = checkpoint.shape(name)[1];
  const maxima = new Float32Array(inputs);
  for (const { rows, count } of chunks(checkpoint, name))
    columnMaxima([{ outputs: count, inputs, values: rows }], maxima);
  return maxima;
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
