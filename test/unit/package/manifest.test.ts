import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import manifest from "../../../package.json";
import texts from "../../../package.nls.json";
import type { EditorKind } from "../../../src/extension/requestPolicy.ts";
import { repository, run } from "./project.ts";

interface Setting {
  readonly type: string;
  readonly scope?: string;
  readonly default: unknown;
  readonly markdownDescription?: string;
  readonly enum?: readonly string[];
  readonly enumDescriptions?: readonly string[];
}

interface Clause {
  readonly command?: string;
  readonly when?: string;
  readonly enablement?: string;
}

const { commands, configuration, keybindings, menus, walkthroughs } = manifest.contributes;
const settings = Object.entries(configuration.properties as Readonly<Record<string, Setting>>);
const commandNames = new Set(commands.map(({ command }) => command));
const clauses: readonly Clause[] = [...commands, ...keybindings, ...Object.values(menus).flat()];

/** Set by the extension. */
const ownKeys = [
  "jakiro.editor",
  "jakiro.enabled",
  "jakiro.hasModel",
  "jakiro.ready",
  "jakiro.generating",
  "jakiro.reviewing",
  "jakiro.reviewed",
];
const editorKinds: readonly EditorKind[] = ["writable", "readOnly", "foreign"];
/** Set by VS Code, and by the Vim extension, which waits for Escape itself. */
const foreignKeys = [
  "resourcePath",
  "activeEditorIsReadonly",
  "editorTextFocus",
  "suggestWidgetVisible",
  "inlineSuggestionVisible",
  "parameterHintsVisible",
  "findWidgetVisible",
  "renameInputVisible",
  "inSnippetMode",
  "vim.active",
];

describe("manifest", () => {
  it("uses every text of package.nls.json, and no other", () => {
    const used = [...JSON.stringify(manifest).matchAll(/"%([\w.*]+)%"/g)].map(([, key]) => key);
    assert.deepEqual(new Set(used), new Set(Object.keys(texts)));
    for (const [key, text] of Object.entries(texts)) assert.notEqual(text.trim(), "", key);
  });

  it("gives each command a title of its own under one category", () => {
    for (const { command, title, category } of commands) {
      assert.equal(title, `%commands.${command.replace(/^jakiro\./, "")}%`);
      assert.equal(category, "Jakiro");
    }
    const titles = Object.entries(texts).flatMap(([key, text]) => (key.startsWith("commands.") ? [text] : []));
    assert.equal(new Set(titles).size, titles.length);
  });

  it("refers to its own commands only where it has them", () => {
    for (const { command } of clauses) assert.ok(commandNames.has(command ?? ""), command);
    const mentioned = [...JSON.stringify([texts, walkthroughs]).matchAll(/(?:command|onCommand):(jakiro\.[\w.]+)/g)];
    assert.ok(mentioned.length >= 5);
    // The editor runs this one after it has inserted a suggestion; no user ever does.
    const known = new Set([...commandNames, "jakiro.accepted"]);
    for (const [, command] of mentioned) assert.ok(known.has(command!), command);
  });

  it("asks for context keys that somebody sets", () => {
    for (const { command, when, enablement } of clauses) {
      for (const clause of [when, enablement]) {
        for (const part of clause?.split(/&&|\|\|/) ?? []) {
          const [tested, value] = part.trim().replace(/^!/, "").split(" == ");
          const keys = tested!.split(" in ");
          for (const key of keys) assert.ok([...ownKeys, ...foreignKeys].includes(key), `${command}: ${key}`);
          if (value !== undefined)
            assert.ok(tested === "jakiro.editor" && editorKinds.includes(value as EditorKind), part);
        }
      }
    }
  });

  it("takes a key only while it generates", () => {
    for (const { when } of keybindings) assert.match(when, /^jakiro\.(generating|reviewing) && editorTextFocus && /);
  });

  for (const [name, setting] of settings) {
    it(`describes ${name}`, () => {
      const key = `settings.${name.replace(/^jakiro\./, "")}`;
      assert.equal(setting.markdownDescription, `%${key}%`);
      assert.ok(setting.scope, "its scope is a decision");
      const kind = Array.isArray(setting.default) ? "array" : typeof setting.default;
      assert.equal(setting.type === "integer" ? "number" : setting.type, kind);
      if (setting.enum === undefined) return;
      assert.ok(setting.enum.includes(setting.default as string));
      assert.deepEqual(
        setting.enumDescriptions,
        setting.enum.map((value) => `%${key}.${value}%`),
      );
    });
  }

  it("lets nobody but the user choose what runs, what is loaded and where from", () => {
    const dangerous = [
      "model",
      "head",
      "device",
      "gpuAdapter",
      "engine.node",
      "models.mirror",
      "models.folders",
      "trace",
    ];
    const byName = settings.filter(([name]) =>
      /node|path|argument|model|head|mirror|folder|engine|trace/i.test(name.slice(7)),
    );
    const names = new Set([...dangerous.map((name) => `jakiro.${name}`), ...byName.map(([name]) => name)]);
    for (const name of names) {
      const scope = settings.find(([known]) => known === name)?.[1].scope;
      assert.equal(scope, "application", name);
    }
  });

  it("takes no setting from a workspace that is not trusted", () => {
    const { untrustedWorkspaces } = manifest.capabilities;
    assert.equal(untrustedWorkspaces.supported, "limited");
    assert.deepEqual(new Set(untrustedWorkspaces.restrictedConfigurations), new Set(settings.map(([name]) => name)));
  });

  it("names files that are there", () => {
    const images = walkthroughs.flatMap(({ steps }) => steps.map(({ media }) => media.svg));
    for (const file of [...images, manifest.icon, manifest.l10n]) assert.ok(existsSync(join(repository, file)), file);
    const icon = readFileSync(join(repository, manifest.icon));
    assert.equal(icon.toString("latin1", 1, 4), "PNG");
    assert.deepEqual([icon.readUInt32BE(16), icon.readUInt32BE(20)], [256, 256]);
  });

  it("makes every walkthrough step completable", () => {
    for (const { id, completionEvents } of walkthroughs.flatMap(({ steps }) => steps)) {
      assert.ok(completionEvents.length > 0, id);
      for (const event of completionEvents) {
        const [, kind, name] = /^(onCommand|onContext):(.+)$/.exec(event) ?? [];
        assert.ok(kind, event);
        if (kind === "onContext") assert.ok(ownKeys.includes(name!), event);
      }
    }
  });

  it("has at most the five keywords that registries take", () => assert.ok(manifest.keywords.length <= 5));

  it("has every sentence of the extension in the bundle for translators", async () => {
    const { code, stderr } = await run(process.execPath, [join(repository, "scripts", "l10n.mjs"), "--check"]);
    assert.equal(code, 0, stderr);
  });
});
