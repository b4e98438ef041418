import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JakiroError } from "../../../src/engine/errors.ts";
import { openCheckpoint } from "../../../src/engine/model/open.ts";
import { assertRefused, fixtures, integers } from "./fixtures.ts";
import { type SafetensorsParts, safetensorsBytes, tensorsOf, withHeader } from "./safetensorsBytes.ts";

const source = join(fixtures, "models", "tiny-qwen2");
const weights = "model.safetensors";
const index = "model.safetensors.index.json";
const original = readFileSync(join(source, weights));
const parts = tensorsOf(original);
const someTensor = "model.layers.1.mlp.up_proj.weight";

const entry = (fields: string): string => `{"${someTensor}": {${fields}}}`;

type Change = (folder: string) => void;

function replaceWeights(bytes: Uint8Array): Change {
  return (folder) => writeFileSync(join(folder, weights), bytes);
}

function changeTensors(change: (tensors: SafetensorsParts) => void): Change {
  const changed = { ...parts };
  change(changed);
  return replaceWeights(safetensorsBytes(changed));
}

function changeTensor(name: string, change: Partial<SafetensorsParts[string]>): Change {
  return changeTensors((tensors) => {
    tensors[name] = { ...tensors[name]!, ...change };
  });
}

function changeConfig(changes: Record<string, unknown>): Change {
  return (folder) => {
    const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Record<string, unknown>;
    writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, ...changes }));
  };
}

const writeIndex =
  (content: string): Change =>
  (folder) =>
    writeFileSync(join(folder, index), content);

const cases: readonly (readonly [what: string, change: Change, message: RegExp])[] = [
  ["no config.json", (folder) => rmSync(join(folder, "config.json")), /no config\.json/],
  [
    "a config.json that is no JSON",
    (folder) => writeFileSync(join(folder, "config.json"), "{"),
    /config\.json cannot be read as JSON/,
  ],
  [
    "a config.json that is no object",
    (folder) => writeFileSync(join(folder, "config.json"), "[1]"),
    /config\.json is not a JSON object/,
  ],
  ["another architecture", changeConfig({ model_type: "mamba" }), /type "mamba".*"llama" and "qwen2"/],
  ["quantized weights", changeConfig({ quantization_config: { quant_method: "gptq" } }), /quantized by "gptq"/],
  ["another activation", changeConfig({ hidden_act: "gelu" }), /activation "gelu"/],
  ["sliding windows", changeConfig({ use_sliding_window: true }), /sliding-window/],
  ["no layer count", changeConfig({ num_hidden_layers: null }), /"num_hidden_layers"/],
  ["a width in words", changeConfig({ hidden_size: "64" }), /"hidden_size"/],
  ["an absurd vocabulary", changeConfig({ vocab_size: 1e15 }), /1000000000000000 as vocabulary/],
  ["0 heads", changeConfig({ num_attention_heads: 0 }), /0 as heads|as headDim/],
  [
    "YaRN",
    changeConfig({ rope_parameters: null, rope_scaling: { rope_type: "yarn", factor: 4 } }),
    /"yarn".*"linear" and "llama3"/,
  ],
  [
    "dynamic scaling, as older files name it",
    changeConfig({ rope_parameters: null, rope_scaling: { type: "dynamic" } }),
    /"dynamic"/,
  ],
  [
    "linear scaling without a factor",
    changeConfig({ rope_parameters: { rope_type: "linear", rope_theta: 10000 } }),
    /rope factors/,
  ],
  [
    "another vocabulary than the embedding's",
    changeConfig({ vocab_size: 300 }),
    /"model\.embed_tokens\.weight" of 288 x 64.* needs 300 x 64/,
  ],
  [
    "untied embeddings without an output matrix",
    changeConfig({ tie_word_embeddings: false }),
    /no tensor "lm_head\.weight"/,
  ],
  ["no weights", (folder) => rmSync(join(folder, weights)), /no model\.safetensors/],
  ["an empty weight file", replaceWeights(Buffer.alloc(0)), /only 0 bytes/],
  [
    "a header longer than the file",
    replaceWeights(withHeader("{}", Buffer.alloc(9), 100n)),
    /header claims 100 of the file's 19 bytes/,
  ],
  [
    "a header of 2^60 bytes",
    replaceWeights(withHeader("{}", Buffer.alloc(9), 1n << 60n)),
    /header claims 1152921504606847000/,
  ],
  ["a header that is no JSON", replaceWeights(withHeader("{nothing", Buffer.alloc(0))), /header is not a JSON object/],
  ["a header that is no object", replaceWeights(withHeader("17", Buffer.alloc(0))), /header is not a JSON object/],
  [
    "a tensor that is null",
    replaceWeights(withHeader(`{"${someTensor}": null}`, Buffer.alloc(0))),
    /entry of its tensor/,
  ],
  [
    "a tensor without dtype",
    replaceWeights(withHeader(entry('"shape":[1],"data_offsets":[0,4]'), Buffer.alloc(4))),
    /entry of its tensor/,
  ],
  [
    "a negative shape",
    replaceWeights(withHeader(entry('"dtype":"F32","shape":[-1],"data_offsets":[0,4]'), Buffer.alloc(4))),
    /entry of its tensor/,
  ],
  [
    "three offsets",
    replaceWeights(withHeader(entry('"dtype":"F32","shape":[1],"data_offsets":[0,4,8]'), Buffer.alloc(4))),
    /entry of its tensor/,
  ],
  [
    "offsets in reverse",
    replaceWeights(withHeader(entry('"dtype":"F32","shape":[1],"data_offsets":[4,0]'), Buffer.alloc(4))),
    /4 to 0, beyond/,
  ],
  [
    "offsets beyond the file",
    replaceWeights(withHeader(entry('"dtype":"F32","shape":[1],"data_offsets":[0,5]'), Buffer.alloc(4))),
    /0 to 5, beyond the end/,
  ],
  ["a file cut short", replaceWeights(original.subarray(0, -1)), /beyond the end/],
  ["integers for weights", changeTensor(someTensor, { dtype: "I32" }), new RegExp(`"${someTensor}" as I32`)],
  ["8-bit floats", changeTensor(someTensor, { dtype: "F8_E4M3" }), /as F8_E4M3, but Jakiro reads F32, F16 and BF16/],
  ["a dtype that its bytes contradict", changeTensor(someTensor, { dtype: "F16" }), /80 x 64 in 20480 bytes/],
  ["an overflowing shape", changeTensor(someTensor, { shape: [2 ** 40, 2 ** 40] }), /do not go together/],
  ["three dimensions", changeTensor(someTensor, { shape: [80, 8, 8] }), /80 x 8 x 8/],
  ["another shape", changeTensor(someTensor, { shape: [64, 80] }), /of 64 x 80.* needs 80 x 64/],
  [
    "no query bias",
    changeTensors((tensors) => delete tensors["model.layers.2.self_attn.q_proj.bias"]),
    /no tensor "model\.layers\.2\.self_attn\.q_proj\.bias"/,
  ],
  [
    "a tensor that its architecture lacks",
    changeTensors((tensors) => {
      tensors["model.layers.0.self_attn.q_norm.weight"] = tensors["model.norm.weight"]!;
    }),
    /"model\.layers\.0\.self_attn\.q_norm\.weight"/,
  ],
  ["an index that is no JSON", writeIndex("{"), /index\.json cannot be read as JSON/],
  ["an index without a map", writeIndex("{}"), /does not name files/],
  [
    "an index that leads out of the folder",
    writeIndex(`{"weight_map":{"a":"../${weights}"}}`),
    /does not name files of this folder/,
  ],
  [
    "an index with a missing shard",
    writeIndex('{"weight_map":{"a":"model-1.safetensors"}}'),
    /model-1\.safetensors does not exist/,
  ],
];

describe("bad safetensors folders", () => {
  let parent: string;
  let folder: string;

  before(() => {
    parent = mkdtempSync(join(tmpdir(), "jakiro-"));
    folder = join(parent, "model");
  });

  beforeEach(() => {
    if (existsSync(folder)) rmSync(folder, { recursive: true });
    mkdirSync(folder);
    cpSync(source, folder, { recursive: true });
  });

  after(() => rmSync(parent, { recursive: true }));

  it("opens the folder that the bad ones are made from", () => openCheckpoint(folder).close());

  for (const [what, change, message] of cases) {
    it(`refuses ${what}`, () => {
      change(folder);
      assertRefused(() => openCheckpoint(folder), folder, message);
    });
  }

  it("opens or refuses, and never fails otherwise, whatever header bytes are damaged", function () {
    this.timeout(20_000);
    const next = integers(5);
    const headerLength = 8 + original.readUInt32LE(0);
    let refusals = 0;
    for (let round = 0; round < 200; round++) {
      const damaged = Buffer.from(original);
      for (let i = 0; i <= next(3); i++) damaged[next(headerLength)] = next(256);
      writeFileSync(join(folder, weights), damaged);
      try {
        openCheckpoint(folder).close();
      } catch (error) {
        if (!(error instanceof JakiroError)) throw error;
        refusals++;
      }
    }
    if (refusals < 100) throw new Error(`only ${refusals} of 200 damaged files were refused`);
  });
});
