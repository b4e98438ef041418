import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CpuTarget } from "../../src/engine/cpu/cpuTarget.ts";
import { type PackedTarget, type PackRequest, packTarget } from "../../src/engine/cpu/packTarget.ts";
import { decodeSmoothing } from "../../src/engine/cpu/smoothingFile.ts";
import { JakiroError } from "../../src/engine/errors.ts";
import type { Checkpoint } from "../../src/engine/model/checkpoint.ts";
import { openCheckpoint } from "../../src/engine/model/open.ts";
import { assertSameBits } from "../unit/cpu/numbers.ts";
import { randomCheckpoint } from "../unit/cpu/randomCheckpoint.ts";
import { chain } from "./pathComparison.ts";
import { randomTokens, tinyPath } from "./scratchTarget.ts";

describe("packTarget", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "jakiro-"));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function pack(checkpoint: Checkpoint, changes: Partial<PackRequest> = {}): Promise<PackedTarget> {
    const calibrationTokens = randomTokens(200, checkpoint.config.vocabulary, 77);
    return packTarget({ checkpoint, format: "int8", root, calibrationTokens, threads: 2, ...changes });
  }

  const filesOf = (directory: string) =>
    Object.fromEntries(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name))]));

  it("packs once and finds the pack afterwards", async () => {
    const checkpoint = openCheckpoint(tinyPath("tiny-llama"));
    const steps: number[] = [];
    const first = await pack(checkpoint, { progress: (done, total) => steps.push(done / total) });
    assert.deepEqual(
      steps,
      [...steps].sort((a, b) => a - b),
    );
    assert.deepEqual([steps[0], steps.at(-1)], [0, 1]);
    const { mtimeMs } = statSync(first.body);
    const again = openCheckpoint(tinyPath("tiny-llama"));
    again.readRows = () => assert.fail("weights were read");
    const second = await pack(again, { progress: () => assert.fail("packed again") });
    assert.deepEqual(second, first);
    assert.equal(statSync(second.body).mtimeMs, mtimeMs);
    checkpoint.close();
    again.close();
  });

  it("keeps formats, models and smoothings apart", async () => {
    const checkpoint = randomCheckpoint();
    const own = await pack(checkpoint);
    const given = decodeSmoothing(join(own.directory, "smoothing.safetensors"));
    const other = { ...given, lmHead: given.lmHead.map((divisor) => 2 * divisor) };
    const packs = [
      own,
      await pack(checkpoint, { format: "float32" }),
      await pack(checkpoint, { format: "int4" }),
      await pack(randomCheckpoint(undefined, 2)),
      await pack(checkpoint, { smoothing: given }),
      await pack(checkpoint, { smoothing: other }),
    ];
    assert.equal(new Set(packs.map(({ directory }) => directory)).size, packs.length);
    assert.equal(readdirSync(root).length, packs.length);
    assert.deepEqual(
      packs.map(({ smoothingHash }) => smoothingHash === own.smoothingHash),
      [true, false, true, false, true, false],
    );
    assert.equal(packs[1]!.smoothingHash, "none");
  });

  it("gives the same bytes every time, and with the divisors that an earlier calibration found", async () => {
    const checkpoint = randomCheckpoint();
    const first = await pack(checkpoint);
    const second = await pack(checkpoint, { root: join(root, "second"), threads: 1 });
    assert.deepEqual(filesOf(second.directory), filesOf(first.directory));
    const smoothing = decodeSmoothing(join(first.directory, "smoothing.safetensors"));
    const third = await pack(checkpoint, { smoothing, calibrationTokens: [] });
    assert.deepEqual(filesOf(third.directory), filesOf(first.directory));
  });

  it("lets two pack the same model at once; both can run it", async () => {
    const checkpoints = [openCheckpoint(tinyPath("tiny-qwen2")), openCheckpoint(tinyPath("tiny-qwen2"))];
    const packs = await Promise.all(checkpoints.map((checkpoint) => pack(checkpoint)));
    assert.equal(readdirSync(root).length, 1);
    const tokens = randomTokens(20, 288, 1);
    const logits: Float32Array[] = [];
    for (const [i, packed] of packs.entries()) {
      const target = await CpuTarget.load(checkpoints[i]!, packed, 2);
      logits.push((await target.sequence(100).forward(chain(tokens), "logits")).logits!);
      await target.release();
      checkpoints[i]!.close();
    }
    assertSameBits(logits[1]!, logits[0]!, "logits");
  });

  it("leaves nothing half-written when the disk is full or someone interrupts", async () => {
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    const interrupted = new JakiroError("interrupted", "Interrupted.");
    for (const [failure, kind] of [
      [full, "io"],
      [interrupted, "interrupted"],
    ] as const) {
      for (const failAt of [0, 1, 2]) {
        const fail = (done: number) => {
          if (done === failAt) throw failure;
        };
        await assert.rejects(
          pack(randomCheckpoint(), { progress: fail }),
          (error) => error instanceof JakiroError && error.kind === kind,
        );
        assert.deepEqual(readdirSync(root), []);
      }
    }
  });

  /** Root of the summed squares by which logits of packs leave those of float32. */
  async function errorsOf(checkpoint: Checkpoint, requests: readonly Partial<PackRequest>[]): Promise<number[]> {
    const tokens = randomTokens(100, checkpoint.config.vocabulary, 3);
    const logitsOf = async (changes: Partial<PackRequest>) => {
      const target = await CpuTarget.load(checkpoint, await pack(checkpoint, changes), 2);
      const { logits } = await target.sequence(200).forward(chain(tokens), "logits");
      await target.release();
      return logits!;
    };
    const exact = await logitsOf({ format: "float32" });
    const errors: number[] = [];
    for (const changes of requests) {
      const logits = await logitsOf(changes);
      errors.push(Math.sqrt(exact.reduce((sum, x, i) => sum + (x - logits[i]!) ** 2, 0)));
    }
    return errors;
  }

  it("evens activations out: smoothed weights lose less in int8 than plain ones", async () => {
    const checkpoint = randomCheckpoint();
    const { layers, hidden, kvHeads, headDim, intermediate } = checkpoint.config;
    const ones = (length: number) => new Float32Array(length).fill(1);
    const none = {
      layers: Array.from({ length: layers }, () => ({
        qkv: ones(hidden),
        o: ones(kvHeads * headDim),
        gateUp: ones(hidden),
        down: ones(intermediate),
      })),
      lmHead: ones(hidden),
    };
    const [smoothed, plain] = (await errorsOf(checkpoint, [{}, { smoothing: none }])) as [number, number];
    assert.ok(smoothed < 0.9 * plain, `${smoothed} against ${plain}`);
  });

  it("steps for processors that sum pairs in 16 bits lose little more, and lie apart", async () => {
    const errors = await errorsOf(randomCheckpoint(), [{ packing: "int8" }, { packing: "int8-paired" }]);
    const [full, paired] = errors as [number, number];
    assert.ok(paired !== full && paired < 1.5 * full, `${paired} against ${full}`);
    assert.equal(readdirSync(root).length, 3);
  });
});
