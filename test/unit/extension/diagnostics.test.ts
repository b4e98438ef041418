import assert from "node:assert/strict";
import { catalogue } from "../../../src/engine/model/catalogue.ts";
import { withoutCredentials, withoutHomePaths } from "../../../src/engine/privatePaths.ts";
import { type DiagnosticFacts, diagnosticsText } from "../../../src/extension/diagnosticsText.ts";
import { diskItemText, totalText } from "../../../src/extension/diskText.ts";
import { menuItems } from "../../../src/extension/menuItems.ts";
import { english } from "./localizer.ts";
import { model } from "./panelSample.ts";

const home = "/home/ada.l";

function text(changes: Partial<DiagnosticFacts> = {}): string {
  return diagnosticsText({
    versions: { Jakiro: "0.1.0" },
    machine: { system: "linux" },
    settings: {},
    engine: { kind: "ready", model: model(), busy: false },
    diagnosis: undefined,
    errors: [],
    logLines: [],
    homes: [home],
    ...changes,
  });
}

describe("diagnostics", () => {
  it("say what a report of a fault needs", () => {
    const report = text({
      settings: { "jakiro.maxTokens": 64, "jakiro.enabledLanguages": { "*": false } },
      diagnosis: { threads: 2 },
      errors: [{ at: new Date(0), message: "The engine ended." }],
      logLines: ["one", "two"],
    });
    for (const part of [
      "- Jakiro: 0.1.0",
      "- system: linux",
      "- jakiro.maxTokens: 64",
      '- jakiro.enabledLanguages: {"*":false}',
      '"name": "qwen2.5-coder-0.5b-instruct"',
      '"threads": 2',
      "1970-01-01T00:00:00.000Z The engine ended.",
      "one\ntwo",
    ]) {
      assert.ok(report.includes(part), `${part} in ${report}`);
    }
    assert.match(text(), /defaults\n\nnone\n/);
    assert.match(text(), /It did not answer/);
  });

  it("keep the last lines of a long log and no more", () => {
    const report = text({ logLines: Array.from({ length: 500 }, (_, index) => `line ${index}.`) });
    assert.ok(report.includes("line 499."));
    assert.ok(!report.includes("line 400."));
  });

  it("leave out every path below the home directory, wherever it stands", () => {
    const secret = `${home}/Secret Project/merger.py`;
    const report = text({
      settings: { "jakiro.model": secret, "jakiro.models.folders": [`${home}/Secret Models`] },
      engine: { kind: "failed", name: secret, message: `${secret} is damaged.` },
      diagnosis: { folders: { models: secret } },
      errors: [{ at: new Date(0), message: `ENOENT, open '${secret}'` }],
      logLines: [`opened ${secret}`, `file://${home}/Secret%20Project/merger.py`],
    });
    assert.doesNotMatch(report, /Secret|merger|ada/);
    assert.ok(report.includes("'~/…'"), report);
  });

  const paths: [string, string, string][] = [
    ["round brackets", `${home}/My (Secret) Project/x.rs`, "~/…"],
    ["a bracket that is never closed", `${home}/My (Secret/x.rs is gone`, "~/…"],
    ["square, curly and angle ones", `${home}/[a] {b} <c>/Secret`, "~/…"],
    ["commas, semicolons, bars", `${home}/Smith, Jones; Sons | Co/Secret`, "~/…"],
    ["an apostrophe in single quotes", `open '${home}/Bob's Secret/x' failed`, "open '~/…' failed"],
    ["an apostrophe in the last name", `open '${home}/Bob's Secret' failed`, "open '~/…' failed"],
    ["an apostrophe at a word's end", `open '${home}/the dogs' home/x' can't`, "open '~/…' can't"],
    ["two quoted paths", `rename '${home}/a' -> '${home}/b c' failed`, "rename '~/…' -> '~/…' failed"],
    ["a quoted path before a foreign one", `link '${home}/a' -> '/usr/b'`, "link '~/…' -> '/usr/b'"],
    ["a stack's line", `at f (${home}/My (Secret)/x.ts:1:2)`, "at f (~/…)"],
    ["a bracket too many", `at f (${home}/My Secret) old/x.ts:1:2)`, "at f (~/…)"],
    ["a sentence behind a bracket", `(${home}/a (b)) is gone (2)`, "(~/…) is gone (2)"],
    ["a file's end before punctuation", `${home}/My (Secret)/m.gguf: it ends early`, "~/…: it ends early"],
    ["a file's end before a full stop", `No ${home}/a b/x.json. Try again.`, "No ~/…. Try again."],
    ["a folder that has a file's ending", `${home}/x.js, and more/Secret`, "~/…"],
    ["what may be a name or a sentence", `${home}/Secret is gone`, "~/…"],
    ["a name and a company's ending", `${home}/Acme.io, Secret`, "~/…"],
    ["JSON", `{"a":"${home}/My \\"Secret\\" (1)/x","b":1}`, `{"a":"~/…","b":1}`],
    ["JSON with words before", `{"a":"in ${home}/Secret (1)","b":1}`, `{"a":"in ~/…","b":1}`],
    ["line by line", `${home}/(a)\r\nb ${home}/c\nd`, "~/…\r\nb ~/…\nd"],
    ["a URI", `file://${home}/My%20(Secret)/x.rs`, "file:~/…"],
    ["a URI in quotes", `'file://${home}/My%20%28Secret%29/x.rs' is gone`, "'file:~/…' is gone"],
    [
      "a URI that escapes more than it must",
      "vscode-notebook-cell:/home/ada%2El/My%20%28Secret%29",
      "vscode-notebook-cell:~/…",
    ],
    ["a path that is a part of an address", "?path=%2Fhome%2Fada.l%2FSecret", "?path=~/…"],
    ["the home at a sentence's end", `It is ${home}.`, "It is ~/…"],
    ["a path ends at a quote", `open '${home}/a b/c' failed`, "open '~/…' failed"],
    ["the home itself", `in ${home}`, "in ~/…"],
    ["another user's name that begins alike", "/home/ada.lovelace/x", "/home/ada.lovelace/x"],
    ["what lies outside stays", "/usr/bin/node", "/usr/bin/node"],
  ];
  for (const [name, given, expected] of paths) {
    it(`shorten paths: ${name}`, () => assert.equal(withoutHomePaths(given, [home]), expected));
  }

  it("know Windows paths in any spelling", () => {
    const homes = ["C:\\Users\\Ada L"];
    for (const path of [
      "C:\\Users\\Ada L\\Secret",
      "c:\\users\\ada l\\Secret",
      JSON.stringify("C:\\Users\\Ada L\\Secret").slice(1, -1),
      "C:/Users/Ada L/Secret",
      "file:///C:/Users/Ada%20L/Secret",
      "file:///c%3A/Users/Ada%20L/My%20%28Secret%29/Secret.rs",
      "C:\\Users\\Ada L\\My (Big) [x]\\Secret",
      '"C:\\Users\\Ada L\\a\\" Secret',
      JSON.stringify({ a: "C:\\Users\\Ada L\\My (Big)\\Secret" }),
      "\\\\?\\C:\\Users\\Ada L\\My, (Big)\\Secret",
    ]) {
      const cleaned = withoutHomePaths(path, homes);
      assert.doesNotMatch(cleaned, /Ada|Secret/i, cleaned);
    }
    const frame = "at f (C:\\Users\\Ada L\\My (Big)\\Secret.ts:1:2) there";
    assert.equal(withoutHomePaths(frame, homes), "at f (~/…) there");
    assert.equal(withoutHomePaths("/a/b", ["/"]), "/a/b");
  });

  it("keep an address's host and not its password or query", () => {
    assert.equal(withoutCredentials("https://me:pw@host/x?token=1 ok"), "https://…@host/x?… ok");
    assert.doesNotMatch(text({ settings: { "jakiro.models.mirror": "https://me:pw@host" } }), /pw/);
  });
});

describe("quick menu", () => {
  const commands = (...args: Parameters<typeof menuItems>) => menuItems(...args).map(({ command }) => command);
  const ready = { kind: "ready", model: model(), busy: false } as const;

  it("leads to set-up and nothing that needs a model before there is one", () => {
    const offered = commands({ engine: { kind: "noModel" }, enabled: true }, english);
    assert.deepEqual(offered, ["jakiro.setUp", "jakiro.showLog", "jakiro.copyDiagnostics"]);
  });

  it("offers first what helps where the engine failed, then the log", () => {
    for (const [engine, remedy] of [
      [{ kind: "failed", name: "m", message: "x" }, "jakiro.selectModel"],
      [{ kind: "failed", name: "m", message: "x", remedy: "device" }, "workbench.action.openSettings"],
      [{ kind: "stopped", message: "x" }, "jakiro.restartEngine"],
      [{ kind: "stopped", message: "x", remedy: "model" }, "jakiro.selectModel"],
    ] as const) {
      const offered = commands({ engine, enabled: true }, english);
      assert.deepEqual(offered.slice(0, 2), [remedy, "jakiro.showLog"]);
      assert.ok(offered.includes("jakiro.restartEngine"));
      assert.equal(new Set(offered).size, offered.length);
      assert.ok(!offered.includes("jakiro.releaseMemory"));
    }
  });

  it("offers another model first where the memory is short", () => {
    const engine = { kind: "loading", name: "m", stage: "loading" } as const;
    const [first] = commands({ engine, enabled: true, memoryShort: true }, english);
    assert.equal(first, "jakiro.selectModel");
  });

  it("leads to another extension that suggests inline", () => {
    const other = { id: "some.body", name: "Somebody" };
    const found = menuItems({ engine: ready, enabled: true, other }, english).find(({ label }) =>
      /Somebody/.test(label),
    );
    assert.deepEqual([found?.command, found?.arguments], ["workbench.extensions.search", ["@id:some.body"]]);
  });

  it("releases memory only where a model is loaded, and says which way the switch goes", () => {
    assert.ok(commands({ engine: ready, enabled: true }, english).includes("jakiro.releaseMemory"));
    const label = (enabled: boolean) => menuItems({ engine: ready, enabled }, english)[0]?.label;
    assert.match(label(true)!, /Off$/);
    assert.match(label(false)!, /On$/);
  });
});

describe("manage models", () => {
  const item = (changes: object) =>
    ({ kind: "model", model: catalogue[0], name: "m", paths: [], bytes: 5e8, ...changes }) as const;

  it("says what removing costs", () => {
    const say = (changes: object, current = "") =>
      diskItemText(item(changes) as Parameters<typeof diskItemText>[0], current, english);
    assert.match(say({}).detail, /downloaded again/);
    assert.match(say({}, catalogue[0]!.name).detail, /model in use/);
    assert.match(say({ kind: "packed" }).detail, /made again/);
    assert.match(say({ bytes: 0 }).description, /shared with another program/);
    assert.equal(say({ kind: "partial", bytes: 2e6 }).description, "2 MB");
    assert.equal(
      totalText([item({}), item({ bytes: 7e8 })] as Parameters<typeof totalText>[0], english),
      "Jakiro uses 1.2 GB of disk space",
    );
  });
});
