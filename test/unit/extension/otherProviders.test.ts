import assert from "node:assert/strict";
import { activeProvider, noticeProvider, otherProviders } from "../../../src/extension/otherProviders.ts";
import { english } from "./localizer.ts";

describe("other inline providers", () => {
  const find = (active: readonly string[], settings: Readonly<Record<string, unknown>> = {}) =>
    activeProvider({ isActive: (id) => active.includes(id), setting: (key) => settings[key] })?.id;

  it("are those of the table that are active", () => {
    assert.equal(find([]), undefined);
    assert.equal(find(["some.body"]), undefined);
    for (const { id } of otherProviders) assert.equal(find([id]), id);
    assert.equal(new Set(otherProviders.map(({ id }) => id.toLowerCase())).size, otherProviders.length);
  });

  it("do not count where their own setting switches their suggestions off", () => {
    const copilot = (value: unknown) => find(["GitHub.copilot-chat"], { "github.copilot.enable": value });
    assert.equal(copilot({ "*": false, plaintext: false }), undefined);
    assert.equal(copilot({ "*": false, python: true }), "GitHub.copilot-chat");
    assert.equal(copilot({ "*": true, plaintext: false }), "GitHub.copilot-chat");
    assert.equal(find(["Continue.continue"], { "continue.enableTabAutocomplete": false }), undefined);
    assert.equal(
      find(["Continue.continue", "tabbyml.vscode-tabby"], { "continue.enableTabAutocomplete": false }),
      "tabbyml.vscode-tabby",
    );
  });
});

describe("the notice of another provider", () => {
  for (const answer of ["Show Tabby", undefined]) {
    it(`appears once, whether its answer is ${answer ?? "none"}`, async () => {
      const kept = new Map<string, unknown>();
      const asked: string[][] = [];
      const ran: unknown[][] = [];
      let provider: (typeof otherProviders)[number] | undefined;
      const notice = () =>
        noticeProvider({
          provider: () => provider,
          memory: {
            get: <Value>(key: string) => kept.get(key) as Value | undefined,
            update: async (key, value) => void kept.set(key, value),
          },
          ask: async (message, ...actions) => {
            asked.push([message, ...actions]);
            return answer;
          },
          run: async (...command) => ran.push(command),
          l10n: english,
        });
      await notice();
      assert.deepEqual(asked, []);
      provider = { id: "tabbyml.vscode-tabby", name: "Tabby" };
      await Promise.all([notice(), notice()]);
      await notice();
      assert.equal(asked.length, 1);
      assert.match(asked[0]![0]!, /^Tabby suggests code inline too/);
      const shown = ["workbench.extensions.search", "@id:tabbyml.vscode-tabby"];
      assert.deepEqual(ran, answer === undefined ? [] : [shown]);
    });
  }
});
