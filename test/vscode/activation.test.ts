import assert from "node:assert/strict";
import * as vscode from "vscode";
import { jakiro } from "./extension.ts";

/** Commands that the extension adds for itself; users never see them. */
const hidden = ["jakiro.accepted"];

describe("activation", () => {
  it("registers every command of the manifest and no other", async () => {
    await jakiro();
    const { contributes } = vscode.extensions.getExtension("jakiro.jakiro")!.packageJSON as {
      readonly contributes: { readonly commands: readonly { readonly command: string }[] };
    };
    const registered = (await vscode.commands.getCommands(true)).filter((name) => name.startsWith("jakiro."));
    assert.deepEqual(
      registered.filter((name) => !hidden.includes(name)).sort(),
      contributes.commands.map(({ command }) => command).sort(),
    );
  });

  it("takes under 150 ms", async () => {
    const { startedMs } = await jakiro();
    assert.ok(startedMs < 150, `${startedMs} ms`);
  });
});
