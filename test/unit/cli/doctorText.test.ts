import assert from "node:assert/strict";
import { doctorText } from "../../../src/cli/doctorText.ts";
import type { Diagnosis } from "../../../src/engine/diagnosis.ts";

const diagnosis: Diagnosis = {
  machine: {
    processor: "Some Processor",
    architecture: "x64",
    platform: "linux",
    features: ["avx2"],
    threads: 2,
    processors: 4,
    memoryBytes: 16e9,
    freeMemoryBytes: 8e9,
    node: "20.0.0",
    onnxruntime: "1.0.0",
  },
  device: "gpu",
  deviceReason: "Some GPU can be used.",
  adapters: [],
  folders: { models: "models", cache: "cache" },
  models: [],
  costs: [],
  settings: null,
  profiles: [],
};

describe("doctor's text", () => {
  it("shows each profile with the kernels' shares and both sums", () => {
    const kernels = [
      { kernel: "norm", workgroups: [1] as const, dispatches: 49, ms: 1 },
      { kernel: "linear int8", workgroups: [14, 1] as const, dispatches: 24, ms: 3 },
    ];
    const text = doctorText({ ...diagnosis, profiles: [{ rows: 16, cached: 512, kernels, onePassMs: 3.5 }] });
    assert.match(text, /^Profile of a forward of 16 rows behind 512 tokens$/m);
    assert.match(text, /^ {2}linear int8 +14 x 1 +24 +3\.000 +75 %$/m);
    assert.match(text, /^ {2}3\.50 ms in one pass, 4\.00 ms kernel by kernel$/m);
  });

  it("shows of a round's profile which kernel runs in which part", () => {
    const kernels = [
      { phase: "draft", kernel: "growTree", workgroups: [1], dispatches: 4, ms: 1 },
      { phase: "accept", kernel: "accept", workgroups: [1], dispatches: 1, ms: 1 },
    ] as const;
    const profile = { head: "jakiro", rows: 16, cached: 512, kernels, onePassMs: 3.5 } as const;
    const text = doctorText({ ...diagnosis, profiles: [profile] });
    assert.match(text, /^Profile of a round with the jakiro head that verifies a tree of 16 rows behind 512 tokens$/m);
    assert.match(text, /^ {2}draft +growTree +1 +4 +1\.000 +50 %$/m);
    assert.match(text, /^ {2}accept +accept +1 +1 +1\.000 +50 %$/m);
  });

  it("shows none where none was taken", () => {
    assert.doesNotMatch(doctorText(diagnosis), /Profile/);
  });
});
