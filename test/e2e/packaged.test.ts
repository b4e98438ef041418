import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import { runPackaging } from "../unit/package/project.ts";
import { engineProcesses } from "../workbench/engineProcesses.ts";
import { recital, writeRecitalModel } from "../workbench/recitalModel.ts";
import { repository } from "../workbench/repository.ts";
import { Workbench } from "../workbench/workbench.ts";
import { Person } from "./person.ts";

/** The VSIX as a stranger gets it, in a real workbench, driven through the browser alone. */
describe("the packaged extension", function () {
  this.timeout(10 * 60_000);
  const scratch = mkdtempSync(join(tmpdir(), "jakiro-e2e-"));
  const folder = join(scratch, "workspace");
  let workbench: Workbench;
  let person: Person;

  before(async () => {
    cpSync(join(repository, "test", "vscode", "workspace", "first"), folder, { recursive: true });
    const model = join(scratch, "recital.gguf");
    writeRecitalModel(model);
    const packaging = await runPackaging(repository, ["--target", "linux-x64", "--out", scratch]);
    assert.equal(packaging.code, 0, packaging.stderr);
    workbench = await Workbench.start({
      settings: { "jakiro.model": model, "workbench.colorTheme": "Default Dark Modern" },
      env: {
        JAKIRO_CACHE_DIR: join(scratch, "cache"),
        JAKIRO_MODELS_DIR: join(scratch, "models"),
        XDG_RUNTIME_DIR: scratch,
      },
    });
    await workbench.serverCommand(["--install-extension", join(scratch, `jakiro-linux-x64-${version}.vsix`)]);
    const window = await workbench.open({ folder });
    person = new Person(window.page);
  });
  after(async () => {
    await workbench?.close();
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  });

  it("shows a status item before anything was asked", async () => {
    await person.openFile("first.ts");
    await person.until("the model is known", async () => !/set up/.test((await person.status()).text));
    const { text, label } = await person.status();
    assert.match(text, /Jakiro/);
    assert.match(label, /Jakiro/);
  });

  it("shows ghost text while somebody types, and Tab takes it", async () => {
    await person.press("Control+End");
    await person.type("\nfunction f() {\n");
    await person.type(" const ans");
    const ghost = await person.ghostText();
    assert.ok(ghost.startsWith("wer = compute"), ghost);
    await person.photograph("ghost-text");
    await person.press("Tab");
    const [first] = recital;
    await person.until("the text is inserted", async () => (await person.text()).includes(first!.trim()));
  });

  it("tells its speed in the status item", async () => {
    await person.until("a speed is shown", async () => /tok\/s/.test((await person.status()).text));
    const { text, label } = await person.status();
    assert.match(text, /\d+ tok\/s/);
    assert.match(label, /tokens per second/i);
  });

  it("shows the statistics panel", async () => {
    await person.command("Jakiro: Open Statistics");
    const panel = person.page.frameLocator("iframe.webview.ready").last().frameLocator("iframe").last();
    await panel.locator("text=tokens per second").first().waitFor();
    assert.ok((await panel.locator("[role=img]").count()) > 0);
    await person.photograph("panel");
  });

  it("serves a second window with the same engine process", async () => {
    const before = engineProcesses(scratch);
    assert.equal(before.length, 1);
    const second = new Person((await workbench.open({ folder })).page);
    await second.openFile("total.py");
    await second.until("the extension is there", async () => !/set up/.test((await second.status()).text));
    await second.press("Control+End");
    await second.type("\n const ans");
    assert.match(await second.ghostText(), /^wer = compute/);
    assert.deepEqual(engineProcesses(scratch), before);
  });
});
