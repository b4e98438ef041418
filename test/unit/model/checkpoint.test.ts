import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Checkpoint } from "../../../src/engine/model/checkpoint.ts";
import { openCheckpoint } from "../../../src/engine/model/open.ts";
import { tensorTable } from "../../../src/engine/model/tensorTable.ts";
import { fixtures, inFolder, realModel } from "./fixtures.ts";
import { type Entry, f32, ggufBytes, text, u32 } from "./ggufBytes.ts";
import { type SafetensorsParts, safetensorsBytes, tensorsOf } from "./safetensorsBytes.ts";
import { f32Tensor, smallMetadata, smallModel, smallTensors } from "./smallModel.ts";

const models = ["tiny-llama", "tiny-qwen2"] as const;
const path = (name: string): string => join(fixtures, "models", name);

/** Opens, uses and closes. */
function withCheckpoint<Result>(file: string, use: (checkpoint: Checkpoint) => Result): Result {
  const checkpoint = openCheckpoint(file);
  try {
    return use(checkpoint);
  } finally {
    checkpoint.close();
  }
}

function allTensors(checkpoint: Checkpoint): Map<string, Float32Array> {
  const present = tensorTable(checkpoint.config).filter(({ name }) => checkpoint.has(name));
  return new Map(present.map(({ name }) => [name, checkpoint.readRows(name, 0, checkpoint.shape(name)[0])]));
}

function withGguf<Result>(metadata: Record<string, Entry>, use: (checkpoint: Checkpoint) => Result): Result {
  let result: Result;
  inFolder((folder) => {
    const file = join(folder, "model.gguf");
    writeFileSync(file, ggufBytes({ metadata, tensors: smallTensors() }));
    result = withCheckpoint(file, use);
  });
  return result!;
}

describe("checkpoint", () => {
  it("reads a Llama's shape from GGUF and from a folder", () => {
    for (const file of ["tiny-llama.gguf", "tiny-llama"]) {
      withCheckpoint(path(file), ({ config: { rope, rmsEpsilon, ...config } }) => {
        assert.deepEqual(config, {
          architecture: "llama",
          hidden: 64,
          layers: 2,
          heads: 4,
          kvHeads: 2,
          headDim: 16,
          intermediate: 80,
          vocabulary: 288,
          contextLength: 512,
          tiedEmbeddings: false,
        });
        assert.equal(Math.fround(rmsEpsilon), Math.fround(1e-5));
        assert.equal(rope.base, 10000);
      });
    }
  });

  it("computes the llama3 divisors that the converter stores as rope factors", () => {
    const [stored, computed] = ["tiny-llama.gguf", "tiny-llama"].map((file) =>
      withCheckpoint(path(file), ({ config }) => config.rope.frequencyDivisors),
    );
    assert.equal(stored!.length, 8);
    assert.ok(stored!.some((divisor) => divisor === 1) && stored!.some((divisor) => divisor > 7));
    for (const [pair, divisor] of stored!.entries()) assert.ok(Math.abs(computed![pair]! / divisor - 1) < 1e-5);
  });

  for (const name of models) {
    it(`reads the same ${name} from GGUF and from safetensors, rotary rows in half-split order`, () => {
      const gguf = withCheckpoint(path(`${name}.gguf`), allTensors);
      const folder = withCheckpoint(path(name), allTensors);
      assert.ok(gguf.size > 20);
      assert.deepEqual(gguf, folder);
    });

    it(`reads any rows of ${name}'s query matrix`, () => {
      withCheckpoint(path(`${name}.gguf`), (gguf) => {
        const whole = withCheckpoint(path(name), (folder) => folder.readRows("layers.1.q", 0, 64));
        for (const [first, count] of [
          [0, 1],
          [5, 7],
          [8, 16],
          [15, 2],
          [30, 34],
          [63, 1],
        ] as const) {
          const into = new Float32Array(count * 64 + 3).fill(9);
          assert.equal(gguf.readRows("layers.1.q", first, count, into), into);
          assert.deepEqual(into.subarray(0, count * 64), whole.subarray(first * 64, (first + count) * 64));
          assert.deepEqual([...into.subarray(-3)], [9, 9, 9]);
        }
      });
    });
  }

  it("knows which tensors there are", () => {
    withCheckpoint(path("tiny-qwen2"), (checkpoint) => {
      assert.equal(checkpoint.config.tiedEmbeddings, true);
      assert.deepEqual(
        [checkpoint.has("output"), checkpoint.has("layers.2.q.bias"), checkpoint.has("layers.3.q")],
        [false, true, false],
      );
      assert.deepEqual(checkpoint.shape("layers.0.k"), [16, 64]);
      assert.deepEqual(checkpoint.shape("layers.0.k.bias"), [16, 1]);
      assert.throws(() => checkpoint.readRows("output", 0, 1), /has no tensor "output"/);
      assert.throws(() => checkpoint.readRows("embedding", 280, 9), RangeError);
    });
  });

  it("reads GGUF version 2, other alignments, and metadata it has no use for", () => {
    const small = smallModel();
    const metadata = {
      "some.flags": { type: 9, bytes: Buffer.from([7, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]) },
      "some.double": { type: 12, bytes: Buffer.from(Float64Array.of(1.5).buffer) },
      "some.byte": { type: 1, bytes: Buffer.from([0xff]) },
      ...small.metadata,
      "general.alignment": u32(64),
    };
    const variants = { 2: ggufBytes({ ...small, version: 2 }), 64: ggufBytes({ ...small, metadata, alignment: 64 }) };
    inFolder((folder) => {
      const file = join(folder, "model.gguf");
      writeFileSync(file, ggufBytes(small));
      const expected = withCheckpoint(file, allTensors);
      for (const bytes of Object.values(variants)) {
        writeFileSync(file, bytes);
        assert.deepEqual(withCheckpoint(file, allTensors), expected);
      }
    });
  });

  it("divides all frequencies by a linear scaling factor", () => {
    const scalings: Record<string, Entry>[] = [
      { "qwen2.rope.scaling.type": text("linear"), "qwen2.rope.scaling.factor": f32(4) },
      { "qwen2.rope.scale_linear": f32(4) },
    ];
    for (const scaling of scalings) {
      withGguf({ ...smallMetadata(), ...scaling }, ({ config }) =>
        assert.deepEqual([...config.rope.frequencyDivisors], [4, 4]),
      );
    }
    withGguf({ ...smallMetadata(), "qwen2.rope.scaling.type": text("none") }, ({ config }) =>
      assert.deepEqual([...config.rope.frequencyDivisors], [1, 1]),
    );
  });

  it("reads rows larger than its staging buffer", () => {
    const rows = 40_000;
    const values = Float32Array.from({ length: rows * 8 }, (_, i) => i);
    const [, ...others] = smallTensors();
    inFolder((folder) => {
      const file = join(folder, "model.gguf");
      const tensors = [f32Tensor("token_embd.weight", [8, rows], values), ...others];
      writeFileSync(file, ggufBytes({ metadata: smallMetadata(), tensors }));
      assert.deepEqual(
        withCheckpoint(file, (checkpoint) => checkpoint.readRows("embedding", 0, rows)),
        values,
      );
    });
  });

  it("opens the catalogue's models", () => {
    withCheckpoint(realModel("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"), ({ config }) => {
      assert.deepEqual(
        [config.architecture, config.hidden, config.layers, config.vocabulary],
        ["qwen2", 896, 24, 151936],
      );
      assert.equal(config.tiedEmbeddings, false);
    });
    withCheckpoint(realModel("SmolLM2-135M-Instruct.Q4_1.gguf"), ({ config }) => {
      assert.deepEqual([config.architecture, config.hidden, config.layers, config.kvHeads], ["llama", 576, 30, 3]);
      assert.equal(config.tiedEmbeddings, true);
    });
  });
});

describe("safetensors folder", () => {
  const source = path("tiny-llama");

  function withFolder(
    change: (parts: SafetensorsParts, folder: string) => void,
    use: (checkpoint: Checkpoint) => void,
  ): void {
    inFolder((parent) => {
      const folder = join(parent, "model");
      mkdirSync(folder);
      cpSync(source, folder, { recursive: true });
      change(tensorsOf(readFileSync(join(folder, "model.safetensors"))), folder);
      withCheckpoint(folder, use);
    });
  }

  it("reads shards", () => {
    const expected = withCheckpoint(source, allTensors);
    withFolder(
      (parts, folder) => {
        const entries = Object.entries(parts);
        const shards = [entries.slice(0, 7), entries.slice(7)].map(Object.fromEntries) as SafetensorsParts[];
        const weightMap: Record<string, string> = {};
        for (const [i, shard] of shards.entries()) {
          const name = `model-0000${i + 1}-of-00002.safetensors`;
          writeFileSync(join(folder, name), safetensorsBytes(shard));
          for (const tensor of Object.keys(shard)) weightMap[tensor] = name;
        }
        writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify({ weight_map: weightMap }));
        rmSync(join(folder, "model.safetensors"));
      },
      (checkpoint) => assert.deepEqual(allTensors(checkpoint), expected),
    );
  });

  it("reads half and brain precision", () => {
    const values = Float32Array.from([0, 1, -2, 0.5, 65504, -0.0009765625, 2 ** -24, 3]);
    const halves = Uint16Array.of(0x0000, 0x3c00, 0xc000, 0x3800, 0x7bff, 0x9400, 0x0001, 0x4200);
    const brains = Uint16Array.from(new Uint32Array(values.buffer), (word) => word >>> 16);
    const repeated = (row: Uint16Array): Uint8Array => Buffer.concat(Array(8).fill(Buffer.from(row.buffer)));
    withFolder(
      (parts, folder) => {
        parts["model.norm.weight"] = { dtype: "F16", shape: [64], data: repeated(halves) };
        parts["model.layers.0.input_layernorm.weight"] = { dtype: "BF16", shape: [64], data: repeated(brains) };
        writeFileSync(join(folder, "model.safetensors"), safetensorsBytes(parts));
      },
      (checkpoint) => {
        assert.deepEqual(checkpoint.readRows("outputNorm", 8, 8), values);
        const row = checkpoint.readRows("layers.0.attentionNorm", 0, 8);
        assert.deepEqual(
          new Uint32Array(row.buffer),
          Uint32Array.from(brains, (word) => word << 16),
        );
      },
    );
  });
});
