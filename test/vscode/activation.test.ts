import assert from "node:assert/strict";
import * as vscode from "vscode";
import { closeAll, jakiro, open, until } from "./extension.ts";

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

  it("loads the model when a first document is looked at, not before", async () => {
    const { engine, completions } = await jakiro();
    await until("a model is configured", () => engine.state.kind !== "noModel");
    assert.equal(engine.state.kind, "released");
    const { requests } = completions.completer.figures;
    await open("const total = ¦");
    await until("the model is loaded", () => engine.state.kind === "ready");
    assert.equal(completions.completer.figures.requests, requests);
    await closeAll();
  });

  it("takes under 150 ms once the code is loaded, which takes a moment", async () => {
    await jakiro();
    const [loading, calling, finishing] = await activationMs();
    assert.ok(calling + finishing < 150, `${calling} + ${finishing} ms`);
    // How long a disk takes that was not read before, beside an editor that starts, is not the extension's doing.
    assert.ok(loading < 1000, `${loading} ms`);
  });
});

/** What VS Code has measured for the extension, as `Developer: Startup Performance` shows it. */
async function activationMs(): Promise<[loading: number, calling: number, finishing: number]> {
  const row = /\| *jakiro\.jakiro *\| *(?:true|false) *\| *(\d+) *\| *(\d+) *\| *(\d+) *\|/;
  await vscode.commands.executeCommand("perfview.show");
  try {
    await until("VS Code shows its times", () => row.test(shownText()));
    const [, loading, calling, finishing] = row.exec(shownText())!;
    return [Number(loading), Number(calling), Number(finishing)];
  } finally {
    await closeAll();
  }
}

function shownText(): string {
  return vscode.window.activeTextEditor?.document.getText() ?? "";
}
