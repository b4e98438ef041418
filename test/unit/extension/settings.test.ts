import assert from "node:assert/strict";
import { defaultSettings, readSettings } from "../../../src/extension/settings.ts";

function read(values: Record<string, unknown>) {
  return readSettings({ get: (key: string) => values[key] } as Parameters<typeof readSettings>[0]);
}

describe("readSettings", () => {
  it("has a value for everything", () => assert.deepEqual(read({}), defaultSettings));

  it("reads what is set", () => {
    const settings = read({
      enabled: false,
      enabledLanguages: { "*": false, go: true },
      multiline: "never",
      maxTokens: 64,
      prefetch: false,
    });
    assert.deepEqual(settings, {
      ...defaultSettings,
      enabled: false,
      enabledLanguages: { "*": false, go: true },
      multiline: "never",
      maxTokens: 64,
      prefetch: false,
    });
  });

  it("takes nothing that makes no sense", () => {
    const settings = read({
      enabled: "yes",
      enabledLanguages: { go: "no", c: false },
      multiline: 3,
      maxTokens: 1e9,
      prefetch: 1,
    });
    assert.deepEqual(settings, { ...defaultSettings, enabledLanguages: { c: false }, maxTokens: 1024 });
  });
});
