import assert from "node:assert/strict";
import { philox2x32 } from "../../../src/engine/decoding/random.ts";
import { floatToHalf, halfToFloat } from "../../../src/engine/model/float16.ts";

describe("float16", () => {
  it("comes back from float32 with the same bits, for every half", () => {
    for (let bits = 0; bits < 1 << 16; bits++) {
      const value = halfToFloat[bits]!;
      if (Number.isNaN(value)) assert.ok(Number.isNaN(halfToFloat[floatToHalf(value)]!), `${bits}`);
      else assert.equal(floatToHalf(value), bits);
    }
  });

  it("takes the nearest half, and the even one of two", () => {
    for (let bits = 1; bits < 0x7c00; bits++) {
      const [below, above] = [halfToFloat[bits - 1]!, halfToFloat[bits]!];
      // Halves have 11 bits, so that the middle of two is a float32.
      const middle = (below + above) / 2;
      const even = bits % 2 === 0 ? bits : bits - 1;
      assert.equal(floatToHalf(middle), even, `between ${below} and ${above}`);
      assert.equal(floatToHalf(-middle), even | 0x8000, `between -${below} and -${above}`);
      assert.equal(floatToHalf(middle - (above - below) / 64), bits - 1);
      assert.equal(floatToHalf(middle + (above - below) / 64), bits);
    }
  });

  it("has no half for what is too large", () => {
    assert.equal(floatToHalf(65_519), 0x7bff);
    for (const value of [65_520, 65_536, 1e30, Number.POSITIVE_INFINITY]) {
      assert.equal(floatToHalf(value), 0x7c00);
      assert.equal(floatToHalf(-value), 0xfc00);
    }
  });

  it("is right for random float32 of every size", () => {
    const bits = new Uint32Array(1);
    const float = new Float32Array(bits.buffer);
    for (let i = 0; i < 20_000; i++) {
      bits[0] = philox2x32(i, 0, 7)[0]!;
      const value = float[0]!;
      if (!(Math.abs(value) < 65_504)) continue;
      const half = floatToHalf(value);
      const distance = Math.abs(halfToFloat[half]! - value);
      for (const other of [half - 1, half + 1]) {
        if ((other & 0x7fff) < 0x7c00 && (other & 0x8000) === (half & 0x8000)) {
          assert.ok(distance <= Math.abs(halfToFloat[other]! - value), `${value}`);
        }
      }
    }
  });
});
