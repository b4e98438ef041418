import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import * as vscode from "vscode";
import type { Ctx } from "../../src/extension/ctx.ts";
import { foreignSettings } from "../workbench/foreignSettings.ts";
import { closeAll, engineProcess, ready, until } from "./extension.ts";

const keys = Object.keys(foreignSettings);
const remedyForRemote = { title: "Open Remote Settings", command: "workbench.action.openRemoteSettingsFile" };

describe("settings that are the user's alone", () => {
  let ctx: Ctx;
  before(async () => {
    ctx = await ready();
  });
  after(closeAll);

  const [folder] = vscode.workspace.workspaceFolders!;
  const rulers = () => vscode.workspace.getConfiguration("editor", folder!.uri).inspect<number[]>("rulers");

  /** Everything that follows from the settings, the engine's process included. */
  async function choices() {
    const { model, folders, mirror, node, trace, pausesOnBattery } = ctx.choices;
    const configuration = await ctx.choices.engineConfiguration(ctx.journal);
    const { processId } = await engineProcess(ctx);
    return { model, folders, mirror, node, trace, pausesOnBattery, configuration, processId };
  }

  function isTheUsers(key: string): void {
    const configuration = vscode.workspace.getConfiguration(undefined, folder!.uri);
    const found = configuration.inspect(key)!;
    const own = key === "jakiro.model" ? ctx.choices.model : undefined;
    const { globalValue, workspaceValue, workspaceFolderValue, defaultValue } = found;
    assert.deepEqual([globalValue, workspaceValue, workspaceFolderValue], [own, undefined, undefined], key);
    assert.deepEqual(configuration.get(key), own ?? defaultValue, key);
    assert.notDeepEqual(configuration.get(key), foreignSettings[key], key);
  }

  it("are not taken from a remote machine's settings, though those are read", async () => {
    const before = await choices();
    const file = process.env["JAKIRO_TEST_MACHINE_SETTINGS"]!;
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, JSON.stringify({ ...foreignSettings, "editor.rulers": [77] }));
    try {
      await until("the machine's settings are read", () => rulers()?.globalValue?.[0] === 77);
      for (const key of keys) isTheUsers(key);
      assert.deepEqual(await choices(), before);
      // They are written there all the same.
      const withRemedy = { name: "Error", remedy: remedyForRemote };
      await assert.rejects(async () => ctx.choices.choose("/another.gguf"), {
        ...withRemedy,
        message: /jakiro\.model,/,
      });
      await assert.rejects(async () => ctx.choices.addFolder("/others"), withRemedy);
      for (const key of keys) isTheUsers(key);
      await vscode.commands.executeCommand("jakiro.restartEngine");
      await ready();
      const { configuration } = await choices();
      assert.deepEqual(configuration, { device: "auto", idleMinutes: 10, modelPath: ctx.choices.model });
      const runtimes = (await ctx.journal.lastLines()).filter((line) => /the Node in the settings/.test(line));
      assert.match(runtimes.at(-1)!, /is passed over: none is set/);
    } finally {
      await writeFile(file, "{}");
      await until("the settings are gone", () => rulers()?.globalValue === undefined);
    }
  });

  it("are taken neither from a workspace nor from one of its folders, though those are read", async () => {
    const before = await choices();
    const file = vscode.workspace.workspaceFile!;
    const folderFile = vscode.Uri.joinPath(folder!.uri, ".vscode", "settings.json");
    const written = async (uri: vscode.Uri, value: unknown) =>
      await vscode.workspace.fs.writeFile(uri, Buffer.from(JSON.stringify(value)));
    const original = await vscode.workspace.fs.readFile(file);
    try {
      const workspace = JSON.parse(String(original)) as object;
      await written(file, { ...workspace, settings: { ...foreignSettings, "editor.rulers": [78] } });
      await written(folderFile, { ...foreignSettings, "editor.rulers": [79] });
      await until("the workspace's settings are read", () => rulers()?.workspaceValue?.[0] === 78);
      await until("the folder's settings are read", () => rulers()?.workspaceFolderValue?.[0] === 79);
      for (const key of keys) isTheUsers(key);
      assert.deepEqual(await choices(), before);
    } finally {
      await vscode.workspace.fs.writeFile(file, original);
      await vscode.workspace.fs.delete(folderFile);
      await until(
        "the settings are gone",
        () => (rulers()?.workspaceFolderValue ?? rulers()?.workspaceValue) === undefined,
      );
    }
    for (const key of keys) {
      const settings = vscode.workspace.getConfiguration(undefined, folder!.uri);
      for (const target of [vscode.ConfigurationTarget.Workspace, vscode.ConfigurationTarget.WorkspaceFolder]) {
        await assert.rejects(async () => settings.update(key, foreignSettings[key], target), key);
      }
    }
  });
});
