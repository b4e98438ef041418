import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JakiroError } from "../../../src/engine/errors.ts";
import { loadTokenizer, openCheckpoint } from "../../../src/engine/model/open.ts";
import { assertRefused, integers } from "./fixtures.ts";
import { array, f32, type GgufParts, ggufBytes, long, string, type TensorBytes, text, u32 } from "./ggufBytes.ts";
import { f32Tensor, smallMetadata, smallModel, smallShapes, smallTensors } from "./smallModel.ts";

const valid = smallModel();

/** The valid model with metadata added or replaced; `undefined` removes. */
function withMetadata(changes: Record<string, ReturnType<typeof u32> | undefined>): GgufParts {
  const entries = Object.entries({ ...valid.metadata, ...changes }).filter(([, entry]) => entry !== undefined);
  return { ...valid, metadata: Object.fromEntries(entries) as GgufParts["metadata"] };
}

/** The valid model with one tensor changed. */
function withTensor(name: string, change: Partial<TensorBytes>): GgufParts {
  return {
    ...valid,
    tensors: valid.tensors.map((tensor) => (tensor.name === name ? { ...tensor, ...change } : tensor)),
  };
}

function withExtra(tensor: TensorBytes): GgufParts {
  return { ...valid, tensors: [...valid.tensors, tensor] };
}

const extra = f32Tensor("extra", [4], new Float32Array(4));
const llama = { metadata: smallMetadata("llama"), tensors: smallTensors() };

const cases: readonly (readonly [what: string, parts: GgufParts, message: RegExp])[] = [
  ["version 1", { ...valid, version: 1 }, /version 1\b.*2 and 3/],
  ["a future version", { ...valid, version: 4 }, /version 4\b/],
  ["a big-endian file", { ...valid, version: 0x03000000 }, /big-endian/],
  ["a tensor count of 2^60", { ...valid, tensorCount: 1n << 60n }, /tensor count of 1152921504606847000/],
  ["a metadata count of 2^60", { ...valid, entryCount: 1n << 60n }, /metadata count/],
  [
    "one tensor more than there are",
    { ...valid, tensorCount: BigInt(valid.tensors.length + 1) },
    /damaged|ends inside|not a valid/,
  ],
  [
    "a string of 2^40 bytes",
    withMetadata({ "general.name": { type: 8, bytes: long(1n << 40n) } }),
    /string in "general.name"/,
  ],
  [
    "a string of 2^64-1 bytes",
    withMetadata({ "general.name": { type: 8, bytes: long((1n << 64n) - 1n) } }),
    /general.name/,
  ],
  ["an array of 2^50 numbers", withMetadata({ list: array(4, 1n << 50n, Buffer.alloc(8)) }), /length of "list"/],
  ["an array of 2^50 strings", withMetadata({ list: array(8, 1n << 50n, Buffer.alloc(8)) }), /length of "list"/],
  ["an array whose string is too long", withMetadata({ list: array(8, 1, long(1n << 40n)) }), /string in "list"/],
  ["arrays within arrays", withMetadata({ list: array(9, 1, Buffer.alloc(16)) }), /"list" of the unknown type 9/],
  [
    "a value of unknown type",
    withMetadata({ odd: { type: 77, bytes: Buffer.alloc(4) } }),
    /"odd" of the unknown type 77/,
  ],
  ["alignment 0", withMetadata({ "general.alignment": u32(0) }), /general\.alignment is 0/],
  ["alignment 12", withMetadata({ "general.alignment": u32(12) }), /general\.alignment is 12/],
  [
    "dimensions whose product overflows",
    withExtra({ ...extra, dimensions: [1n << 40n, 1n << 40n] }),
    /"extra" has dimensions/,
  ],
  ["a dimension of 0", withExtra({ ...extra, dimensions: [4, 0] }), /"extra" has dimensions 4 x 0/],
  ["five dimensions", withExtra({ ...extra, dimensions: [1, 1, 1, 1, 4] }), /"extra" has 5 dimensions/],
  ["2^32-1 dimensions", withExtra({ ...extra, name: "extra", dimensions: new Array(5).fill(1n << 62n) }), /dimensions/],
  ["an offset beyond the file", withExtra({ ...extra, offset: 1 << 20 }), /too short for its tensor "extra"/],
  ["an offset of 2^63", withExtra({ ...extra, offset: 1n << 63n }), /too short for its tensor "extra"/],
  ["an offset off the alignment", withExtra({ ...extra, offset: 4 }), /"extra" starts at offset 4/],
  ["a tensor named twice", withExtra(valid.tensors[3]!), /"blk\.0\.attn_q\.bias" twice/],
  [
    "rows of half a block",
    withExtra({ ...extra, dimensions: [16, 2], type: 8 }),
    /"extra".*no whole number of Q8_0 blocks/,
  ],
  [
    "another architecture",
    { ...valid, metadata: { ...valid.metadata, "general.architecture": text("gemma3") } },
    /"gemma3".*"llama" and "qwen2"/,
  ],
  ["no architecture", withMetadata({ "general.architecture": undefined }), /architecture "undefined"/],
  ["a mixture of experts", withMetadata({ "qwen2.expert_count": u32(8) }), /mixture-of-experts/],
  ["one part of several", withMetadata({ "split.count": u32(3) }), /one of 3 parts/],
  ["no layer count", withMetadata({ "qwen2.block_count": undefined }), /"qwen2\.block_count"/],
  ["a layer count in words", withMetadata({ "qwen2.block_count": text("one") }), /"qwen2\.block_count"/],
  ["2^31 layers", withMetadata({ "qwen2.block_count": u32(2 ** 31) }), /2147483648 as layers/],
  ["0 heads", withMetadata({ "qwen2.attention.head_count": u32(0) }), /0 as heads|headDim/],
  ["heads that do not divide the width", withMetadata({ "qwen2.attention.head_count": u32(3) }), /as headDim/],
  [
    "key heads that do not divide the heads",
    withMetadata({ "qwen2.attention.head_count_kv": u32(4) }),
    /2 heads of 4 over 4 key heads/,
  ],
  [
    "an odd head size",
    {
      ...valid,
      metadata: { ...valid.metadata, "qwen2.attention.key_length": u32(5), "qwen2.attention.value_length": u32(5) },
    },
    /2 heads of 5/,
  ],
  ["value heads unlike key heads", withMetadata({ "qwen2.attention.value_length": u32(2) }), /value heads/],
  ["partly rotated heads", withMetadata({ "qwen2.rope.dimension_count": u32(2) }), /rotary dimensions/],
  ["a norm epsilon of 0", withMetadata({ "qwen2.attention.layer_norm_rms_epsilon": f32(0) }), /norm epsilon 0/],
  ["a rotary base that is no number", withMetadata({ "qwen2.rope.freq_base": f32(Number.NaN) }), /rotary base NaN/],
  [
    "YaRN",
    withMetadata({ "qwen2.rope.scaling.type": text("yarn"), "qwen2.rope.scaling.factor": f32(4) }),
    /"yarn" \(factor 4\).*linear.*llama3/,
  ],
  [
    "a linear factor of 0",
    withMetadata({ "qwen2.rope.scaling.type": text("linear"), "qwen2.rope.scaling.factor": f32(0) }),
    /factor 0/,
  ],
  [
    "too many rope factors",
    withExtra(f32Tensor("rope_freqs.weight", [4], new Float32Array(4).fill(1))),
    /4 rope factors where 2 belong/,
  ],
  ["negative rope factors", withExtra(f32Tensor("rope_freqs.weight", [2], Float32Array.of(1, -1))), /not positive/],
  [
    "quantized rope factors",
    withExtra({ name: "rope_freqs.weight", dimensions: [32], type: 8, data: new Uint8Array(34) }),
    /"rope_freqs\.weight" as Q8_0/,
  ],
  [
    "an unsupported quantization",
    withTensor("blk.0.ffn_up.weight", { type: 10 }),
    /"blk\.0\.ffn_up\.weight" as Q2_K.*Q4_K/,
  ],
  [
    "a quantization of the future",
    withTensor("blk.0.ffn_up.weight", { type: 99 }),
    /"blk\.0\.ffn_up\.weight" as type 99/,
  ],
  ["integers for weights", withTensor("output_norm.weight", { type: 26 }), /"output_norm\.weight" as I32/],
  [
    "a matrix of another shape",
    withTensor("blk.0.attn_k.weight", { dimensions: [4, 8] }),
    /"blk\.0\.attn_k\.weight" of 8 x 4.* needs 4 x 8/,
  ],
  [
    "a vector of another length",
    withTensor("blk.0.attn_norm.weight", { dimensions: [4] }),
    /"blk\.0\.attn_norm\.weight" of 4 x 1.* needs 8 x 1/,
  ],
  [
    "a matrix with a third dimension",
    withTensor("blk.0.attn_k.weight", { dimensions: [4, 4, 2] }),
    /"blk\.0\.attn_k\.weight" of 4 x 4 x 2.*no matrix/,
  ],
  [
    "a tensor that its architecture lacks",
    withExtra({ ...extra, name: "blk.0.attn_q_norm.weight" }),
    /"blk\.0\.attn_q_norm\.weight"/,
  ],
  ["a layer too many", withExtra({ ...extra, name: "blk.1.ffn_norm.weight" }), /"blk\.1\.ffn_norm\.weight".*1 layers/],
  ...Object.keys(smallShapes).map(
    (name) =>
      [
        `no ${name}`,
        { ...valid, tensors: valid.tensors.filter((tensor) => tensor.name !== name) },
        new RegExp(`no tensor "${name.replaceAll(".", "\\.")}"`),
      ] as const,
  ),
];

describe("bad GGUF files", () => {
  let folder: string;
  let path: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "jakiro-"));
    path = join(folder, "model.gguf");
  });

  after(() => rmSync(folder, { recursive: true }));

  it("opens the file that the bad ones are made from", () => {
    for (const parts of [valid, llama]) {
      writeFileSync(path, ggufBytes(parts));
      openCheckpoint(path).close();
    }
  });

  for (const [what, parts, message] of cases) {
    it(`refuses ${what}`, () => {
      writeFileSync(path, ggufBytes(parts));
      assertRefused(() => openCheckpoint(path), path, message);
    });
  }

  it("refuses names and lists of absurd length even where the file is long enough", () => {
    const entries = [
      { type: 8, bytes: long(1 << 25) },
      { type: 9, bytes: Buffer.concat([Buffer.from([4, 0, 0, 0]), long(1 << 25)]) },
    ];
    for (const entry of entries) {
      writeFileSync(path, ggufBytes(withMetadata({ long: entry })));
      // Sparse: the length is there, the blocks are not.
      truncateSync(path, 1 << 28);
      assertRefused(() => loadTokenizer(path), path, /33554432 cannot be true/);
    }
  });

  it("refuses a file that is not there", () => {
    const missing = join(folder, "missing.gguf");
    assertRefused(() => openCheckpoint(missing), missing, /does not exist/);
    assertRefused(() => loadTokenizer(missing), missing, /does not exist/);
  });

  it("refuses what no file can be called", () => {
    for (const name of ["a\0b", "x".repeat(5000)]) {
      assertRefused(() => openCheckpoint(name), name, /cannot be read/);
      assertRefused(() => loadTokenizer(name), name, /cannot be read/);
    }
  });

  it("refuses what is no file", () => {
    assertRefused(() => openCheckpoint("/dev/null"), "/dev/null", /not a regular file/);
  });

  it("refuses other kinds of files", () => {
    writeFileSync(path, "#!/bin/sh\nexit 0\n");
    assertRefused(() => openCheckpoint(path), path, /not a GGUF file/);
  });

  it("refuses a file cut at any byte", function () {
    this.timeout(20_000);
    const bytes = ggufBytes(valid);
    writeFileSync(path, bytes);
    // The last tensor's data is as long as the alignment, so every cut takes something away.
    for (let length = bytes.length - 1; length >= 0; length--) {
      truncateSync(path, length);
      assertRefused(() => openCheckpoint(path), path, /incomplete|not a valid GGUF file|cannot be true/);
    }
  });

  it("opens or refuses, and never fails otherwise, whatever bytes are damaged", function () {
    this.timeout(20_000);
    const next = integers(99);
    const bytes = ggufBytes({
      ...valid,
      metadata: { ...valid.metadata, "general.name": text("name"), list: array(8, 1, string("a")) },
    });
    const headerLength = 1400;
    let refusals = 0;
    for (let round = 0; round < 300; round++) {
      const damaged = Buffer.from(bytes);
      for (let i = 0; i <= next(3); i++) damaged[next(headerLength)] = next(256);
      writeFileSync(path, damaged);
      try {
        openCheckpoint(path).close();
      } catch (error) {
        if (!(error instanceof JakiroError)) throw error;
        refusals++;
      }
    }
    if (refusals < 150) throw new Error(`only ${refusals} of 300 damaged files were refused`);
  });
});
