import assert from "node:assert/strict";
import { Utf8Stream } from "../../../src/engine/completion/utf8Stream.ts";

const samples = ["plain", "naïve", "日本語", "a😀b", "e\u0301", "👩‍👩‍👧", "\uFEFFkept", "\u0000\u007f\u0080"];

describe("Utf8Stream", () => {
  for (const text of samples) {
    it(`gives ${JSON.stringify(text)} whole, wherever its bytes are cut`, () => {
      const bytes = Buffer.from(text);
      for (let cut = 0; cut <= bytes.length; cut++) {
        const stream = new Utf8Stream();
        assert.equal(stream.push(bytes.subarray(0, cut)) + stream.push(bytes.subarray(cut)), text);
      }
    });
  }

  it("never takes back what it gave, byte by byte", () => {
    const text = samples.join("");
    const stream = new Utf8Stream();
    let given = "";
    for (const byte of Buffer.from(text)) {
      given += stream.push(Uint8Array.of(byte));
      assert.ok(text.startsWith(given));
    }
    assert.equal(given, text);
  });

  it("holds an unfinished character back", () => {
    const stream = new Utf8Stream();
    assert.equal(stream.push(Buffer.from("ok😀").subarray(0, 5)), "ok");
  });

  const broken: readonly (readonly [string, readonly number[], string])[] = [
    ["a lone continuation byte", [0x61, 0x80, 0x62], "a\uFFFDb"],
    ["a character cut short by another", [0xe6, 0x97, 0x61], "\uFFFDa"],
    ["bytes that no character begins with", [0xff, 0xfe, 0x61], "\uFFFD\uFFFDa"],
  ];
  for (const [name, bytes, expected] of broken) {
    it(`replaces ${name} and goes on`, () => assert.equal(new Utf8Stream().push(Uint8Array.from(bytes)), expected));
  }
});
