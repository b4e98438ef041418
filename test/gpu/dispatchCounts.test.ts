import assert from "node:assert/strict";
import { join } from "node:path";
import { featureSmoothing } from "../../src/engine/cpu/packTarget.ts";
import { decodeOnDevice } from "../../src/engine/decoding/deviceDecoder.ts";
import { ladderOf } from "../../src/engine/decoding/ladder.ts";
import { attendedRows } from "../../src/engine/gpu/forwardBuffers.ts";
import { GpuDecoding } from "../../src/engine/gpu/gpuDecoding.ts";
import { GpuHead } from "../../src/engine/gpu/gpuHead.ts";
import { GpuTarget } from "../../src/engine/gpu/gpuTarget.ts";
import { type Dispatch, encode } from "../../src/engine/gpu/kernels.ts";
import { createRoundBuffers } from "../../src/engine/gpu/roundBuffers.ts";
import { RoundKernels } from "../../src/engine/gpu/roundKernels.ts";
import { headScratchSlots, type RoundShape } from "../../src/engine/gpu/roundLayout.ts";
import { HeadFile } from "../../src/engine/model/headFile.ts";
import { request } from "../engine/decoding.ts";
import { randomHeadsFor, writeRandomHead } from "../engine/randomHead.ts";
import { packTiny, type ScratchTarget } from "../engine/scratchTarget.ts";
import { planOf } from "./sequences.ts";
import { openTestDevice } from "./testDevice.ts";

/** What a device has to start one after the other. */
const mostPerLayer = 8;
const mostPerLevel = 10;

describe("dispatches of a round", function () {
  this.timeout(120_000);
  let scratch: ScratchTarget;
  let gpu: GpuTarget;
  before(async () => {
    scratch = await packTiny("tiny-qwen2", "int8");
    gpu = await GpuTarget.load(await openTestDevice(), scratch.checkpoint, scratch.target.packed, {
      capacity: 64,
      sequences: 1,
    });
  });
  after(async () => {
    gpu.release();
    await scratch.release();
  });

  for (const [rowCount, most] of [
    [attendedRows, mostPerLayer],
    [attendedRows + 1, mostPerLayer + 2],
  ] as const) {
    it(`are at most ${most} a layer of the target for ${rowCount} rows`, async () => {
      const { rows, paths, features } = gpu.scratch;
      const forward = { rows, paths, features, count: rowCount, outputs: 16, picked: false, longest: 40 } as const;
      const dispatches = await gpu.plan({ ...forward, featureFormat: "head", mode: "none" });
      // Before the layers embeddings are read, and behind them is the last norm.
      assert.ok(count(dispatches) - 2 <= most * scratch.checkpoint.config.layers);
    });
  }

  it("go to the device in one submission, with nothing between two rounds", async () => {
    const decoding = new GpuDecoding(gpu, randomHeadsFor(scratch), featureSmoothing(scratch.target.packed));
    const sequence = await decoding.open("jakiro", ladderOf("jakiro", "jakiro", { nodes: 6, branching: 3, depth: 2 }));
    const { queue } = gpu.gpu.device;
    const submit = queue.submit.bind(queue);
    let submissions = 0;
    queue.submit = (commands) => {
      submissions++;
      return submit(commands);
    };
    /** Submissions until each round had been read. */
    const seen: number[] = [];
    const tokens = [1, 2, 3];
    await decodeOnDevice(sequence, request(tokens, { maxTokens: 12, onRound: () => seen.push(submissions) }));
    queue.submit = submit;
    assert.ok(seen.length >= 4);
    // The next round is under way when one is read; behind the last one there may be none.
    const rounds = seen.slice(1, -1).map((count, i) => count - seen[i]!);
    assert.deepEqual(new Set(rounds), new Set([1]), `${seen}`);
    sequence.release();
    await decoding.release();
  });

  for (const kind of ["jakiro", "jakiro-star", "eagle"] as const) {
    it(`are at most ${mostPerLevel} for each forward of a ${kind} head, its one or two levels of the tree included`, async () => {
      const branches = kind === "jakiro-star" ? 2 : 1;
      const shape: RoundShape = { sequences: 1, rows: 16, branching: 4, levels: 4, branches };
      const file = HeadFile.open(
        writeRandomHead(join(scratch.folder, kind), scratch.checkpoint.config, { kind }),
        scratch.checkpoint.config,
      );
      const head = await GpuHead.load(gpu.surroundings, file, featureSmoothing(scratch.target.packed), {
        regionSlots: 64 + headScratchSlots(shape),
        sequences: 1,
        outputs: shape.branching,
      });
      const { device } = gpu.gpu;
      const plan = planOf(shape, { parallel: kind === "jakiro", draftVocabulary: head.draftVocabulary });
      const buffers = createRoundBuffers(device, plan);
      const round = (await RoundKernels.compile(gpu.kernels.compiler, plan)).bind(buffers, {
        draftBest: head.best,
        draftMasses: head.masses,
        draftToTarget: head.weights.draftToTarget,
        logits: gpu.scratch.logits,
        cache: gpu.cache,
      });
      const forwards = kind === "jakiro" ? 3 : 4;
      for (let forward = 1; forward <= forwards; forward++) {
        const last = forward === forwards;
        const rows = forward === 1 ? buffers.first : buffers.levels;
        const outputs = { picks: gpu.scratch.picks, count: 4, lists: head.lists, branching: shape.branching };
        const dispatches = [
          ...(await head.plan({ ...rows, features: head.predicted, count: 4, longest: 40 }, outputs)),
          ...round.level(forward, last),
        ];
        assert.ok(count(dispatches) <= mostPerLevel, `forward ${forward}: ${names(dispatches)}`);
      }
      head.release();
    });
  }
});

/** As often as the device is told to begin something. */
function count(dispatches: readonly Dispatch[]): number {
  let begun = 0;
  const pass = { setPipeline: () => undefined, setBindGroup: () => undefined, dispatchWorkgroups: () => begun++ };
  encode(pass as unknown as GPUComputePassEncoder, dispatches);
  return begun;
}

function names(dispatches: readonly Dispatch[]): string {
  return dispatches.map(({ kernel }) => kernel.name).join(", ");
}
