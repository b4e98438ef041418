import assert from "node:assert/strict";
import { ErrorCodes, ResponseError } from "vscode-jsonrpc/node";
import { params } from "../../../src/engine/server/params.ts";

const hex = "0123456789abcdef".repeat(4);
const document = { prefix: "a", suffix: "b", snippets: [{ path: "c.py", text: "d" }] };
const complete = { ...document, id: 1, priority: "typed", maxTokens: 64, progress: true };
const generate = { ...document, id: 1, instruction: "do", selection: "", maxTokens: 64 };
const configure = { device: "auto", idleMinutes: 10 };

type Message = keyof typeof params;

const valid: readonly (readonly [Message, unknown])[] = [
  ["hello", { nonce: hex, build: "1" }],
  ["prove", { proof: hex }],
  ["configure", configure],
  ["configure", { ...configure, modelPath: "/m.gguf", head: "none", idleMinutes: 0.5 }],
  ["configure", { ...configure, restricted: true }],
  ["complete", complete],
  ["complete", { ...complete, path: "a.py", languageId: "python", alternatives: 3 }],
  ["complete", { ...complete, snippets: [], prefix: "", suffix: "" }],
  ["complete", { ...complete, indentation: { insertSpaces: false, tabSize: 8 } }],
  ["warm", document],
  ["generate", generate],
  ["generate", { ...generate, seed: 3 }],
  ["generate", { ...generate, indentation: { insertSpaces: true, tabSize: 2 } }],
  ["observe", { rounds: false }],
];

const invalid: readonly (readonly [Message, unknown, RegExp])[] = [
  ["hello", undefined, /hello must be an object/],
  ["hello", null, /hello must be an object/],
  ["hello", [], /hello must be an object/],
  ["hello", { nonce: hex.toUpperCase(), build: "1" }, /hello\.nonce must be 64 hexadecimal digits/],
  ["hello", { nonce: hex, build: "" }, /hello\.build must not be empty/],
  ["hello", { nonce: hex }, /hello\.build must be a string/],
  ["prove", { proof: 5 }, /prove\.proof/],
  ["configure", { ...configure, device: "tpu" }, /configure\.device must be one of auto, cpu, gpu/],
  ["configure", { ...configure, idleMinutes: -1 }, /configure\.idleMinutes must be a number from 0/],
  ["configure", { ...configure, idleMinutes: 1e9 }, /idleMinutes/],
  ["configure", { ...configure, idleMinutes: Number.NaN }, /idleMinutes/],
  ["configure", { ...configure, modelPath: "" }, /modelPath must not be empty/],
  ["configure", { ...configure, restricted: "yes" }, /configure\.restricted/],
  ["configure", { ...configure, modelPath: 3 }, /modelPath must be a string/],
  ["complete", { ...complete, id: 1.5 }, /complete\.id must be a whole number/],
  ["complete", { ...complete, id: -1 }, /complete\.id/],
  ["complete", { ...complete, priority: "warm" }, /priority must be one of typed, prefetch/],
  ["complete", { ...complete, maxTokens: 0 }, /maxTokens/],
  ["complete", { ...complete, maxTokens: 1e6 }, /maxTokens/],
  ["complete", { ...complete, maxTokens: "64" }, /maxTokens/],
  ["complete", { ...complete, alternatives: 0 }, /alternatives/],
  ["complete", { ...complete, alternatives: 1000 }, /alternatives/],
  ["complete", { ...complete, progress: "yes" }, /progress must be true or false/],
  ["complete", { ...complete, prefix: undefined }, /prefix must be a string/],
  ["complete", { ...complete, prefix: "x".repeat(16 * 1024 * 1024 + 1) }, /prefix must be at most/],
  ["complete", { ...complete, snippets: undefined }, /snippets must be a list/],
  ["complete", { ...complete, snippets: {} }, /snippets must be a list/],
  ["complete", { ...complete, snippets: Array(65).fill(document.snippets[0]) }, /at most 64 entries/],
  [
    "complete",
    { ...complete, snippets: [document.snippets[0], { path: "x" }] },
    /snippets\[1\]\.text must be a string/,
  ],
  ["complete", { ...complete, indentation: { insertSpaces: true, tabSize: 0 } }, /indentation\.tabSize must be/],
  ["complete", { ...complete, indentation: { tabSize: 4 } }, /indentation\.insertSpaces must be/],
  ["complete", Object.create({ ...complete }), /prefix/],
  ["warm", { prefix: "a" }, /warm\.suffix/],
  ["generate", { ...generate, instruction: "" }, /instruction must not be empty/],
  ["generate", { ...generate, selection: 1 }, /selection/],
  ["generate", { ...generate, seed: -1 }, /seed must be a whole number/],
  ["observe", {}, /rounds must be true or false/],
];

describe("params", () => {
  for (const [index, [message, given]] of valid.entries()) {
    it(`takes ${message} as it should be (${index})`, () => {
      assert.deepEqual(params[message](given, message), given);
    });
  }

  for (const [message, given, expected] of invalid) {
    it(`refuses ${message}: ${expected.source}`, () => {
      assert.throws(
        () => params[message](given, message),
        (error) =>
          error instanceof ResponseError && error.code === ErrorCodes.InvalidParams && expected.test(error.message),
      );
    });
  }

  it("leaves out what it does not know, and what is null", () => {
    assert.deepEqual(params.configure({ ...configure, modelPath: null, colour: "red" }, "configure"), configure);
  });
});
