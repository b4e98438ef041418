import assert from "node:assert/strict";
import { trimKnownLines } from "../../../src/engine/completion/trimKnownLines.ts";

interface Case {
  readonly name: string;
  readonly prefix?: string;
  readonly selection?: string;
  readonly suffix?: string;
  readonly code: string;
  readonly kept: string;
}

const account = "import os\n\nclass Account:\n    balance = 0\n\n    def deposit(self):\n        pass\n\n";

const cases: readonly Case[] = [
  {
    name: "the class above and the method below",
    prefix: account,
    suffix: "    def close(self):\n        pass\n",
    code: `${account}    def withdraw(self):\n        return 1\n\n    def close(self):\n        pass`,
    kept: "    def withdraw(self):\n        return 1",
  },
  { name: "an import that is there", prefix: account, code: "import os\n\nx = 1", kept: "x = 1" },
  {
    name: "not an import that is new",
    prefix: account,
    code: "import re\nimport os\n\nx = 1",
    kept: "import re\n\nx = 1",
  },
  {
    name: "not one line that stands above by chance",
    prefix: "@dataclass\nclass A:\n    x: int\n\n",
    code: "@dataclass\nclass B:\n    y: int",
    kept: "@dataclass\nclass B:\n    y: int",
  },
  {
    name: "not what is being rewritten",
    prefix: "f();\ng();\nh();\n",
    selection: "f();\ng();\n",
    code: "f();\ng();\nk();",
    kept: "f();\ng();\nk();",
  },
  {
    name: "a bracket that closes what was opened above",
    prefix: "class A {\n",
    suffix: "}\n",
    code: "  f() {\n  }\n}",
    kept: "  f() {\n  }",
  },
  { name: "not the code's own last bracket", code: "f(() => {\n  g();\n});", kept: "f(() => {\n  g();\n});" },
  {
    name: "not a bracket that the selection closes too",
    prefix: "if (x) {\n",
    selection: "  a();\n}",
    code: "  b();\n}",
    kept: "  b();\n}",
  },
];

describe("trimKnownLines", () => {
  for (const { name, prefix = "", selection = "", suffix = "", code, kept } of cases) {
    it(`leaves out ${name}`, () => assert.equal(trimKnownLines(code, { prefix, selection, suffix }), kept));
  }
});
