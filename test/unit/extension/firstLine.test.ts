import assert from "node:assert/strict";
import { firstLine } from "../../../src/extension/firstLine.ts";

describe("firstLine", () => {
  const inLine = { insertsLines: false, linePrefix: "", eol: "\n" } as const;

  it("ends where the first line with content ends", () => {
    assert.equal(firstLine("a {\n  b\n}", inLine), "a {");
    assert.equal(firstLine("\n    a\n    b", inLine), "\n    a");
    assert.equal(firstLine("\r\n\ta\r\n", inLine), "\r\n\ta");
    assert.equal(firstLine("a", inLine), "a");
  });

  it("keeps a line that is inserted above another one apart from it", () => {
    const above = { insertsLines: true, linePrefix: "\t", eol: "\r\n" } as const;
    assert.equal(firstLine("a;\r\n\tb;\r\n\t", above), "a;\r\n\t");
  });
});
