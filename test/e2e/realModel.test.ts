import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import { catalogue, defaultModelName } from "../../src/engine/model/catalogue.ts";
import { runPackaging } from "../unit/package/project.ts";
import { engineProcesses } from "../workbench/engineProcesses.ts";
import { LoopbackOnly } from "../workbench/loopbackOnly.ts";
import { repository } from "../workbench/repository.ts";
import { Workbench } from "../workbench/workbench.ts";
import { Person } from "./person.ts";

const model = catalogue.find(({ name }) => name === defaultModelName)!;

/** The package with the default model inside, on a machine without internet; the README's pictures are taken here. */
describe("the package for machines without internet", function () {
  this.timeout(15 * 60_000);
  const scratch = mkdtempSync(join(tmpdir(), "jakiro-e2e-"));
  const models = join(scratch, "models");
  let network: LoopbackOnly;
  let workbench: Workbench;
  let person: Person;

  before(async () => {
    cpSync(join(repository, "examples"), join(scratch, "shop"), { recursive: true });
    network = new LoopbackOnly(scratch);
    const packaging = await runPackaging(repository, ["--target", "linux-x64", "--with-model", "--out", scratch]);
    assert.equal(packaging.code, 0, packaging.stderr);
    workbench = await Workbench.start({
      asShipped: true,
      node: network.node,
      settings: {
        "workbench.colorTheme": "Default Dark Modern",
        "workbench.secondarySideBar.defaultVisibility": "hidden",
        "editor.minimap.enabled": false,
        "editor.stickyScroll.enabled": false,
        "editor.fontSize": 15,
      },
      env: {
        HOME: scratch,
        XDG_CACHE_HOME: join(scratch, "cache"),
        JAKIRO_CACHE_DIR: join(scratch, "cache", "jakiro"),
        JAKIRO_MODELS_DIR: models,
        XDG_RUNTIME_DIR: scratch,
      },
    });
    const vsix = join(scratch, `jakiro-linux-x64-${version}-with-model.vsix`);
    await workbench.serverCommand(["--install-extension", vsix]);
    rmSync(vsix);
    const window = await workbench.open({ folder: join(scratch, "shop") });
    person = new Person(window.page);
  });
  after(async () => {
    await workbench?.close();
    for (const id of engineProcesses(scratch)) process.kill(id, "SIGKILL");
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  });

  it("needs no setting and no download", async () => {
    await person.openFile("inventory.py");
    await person.until("the model is known", async () => !/set up/.test((await person.status()).text), firstStartMs);
    assert.deepEqual(readdirSync(models), [model.file]);
    assert.equal(await person.notifications(/Jakiro/), 0, "nothing is asked");
  });

  it("writes the body of a function that a person began", async () => {
    await person.press("Control+End");
    await person.type("\ndef total_value(items: list[Item]) -> float:\n");
    const ghost = await person.ghostText(firstStartMs);
    assert.match(ghost, /\S/);
    await person.page.waitForTimeout(1500);
    await person.photograph("ghost-text-default-model");
    await person.press("Tab");
    const [first] = ghost.trim().split("\n");
    await person.until("the suggestion is inserted", async () => (await person.text()).includes(first!));
  });

  it("shows what speculation does", async () => {
    await person.command("Jakiro: Open Statistics");
    await person.press("Control+1");
    await person.press("Control+End");
    await person.type("\n\ndef cheapest(items: list[Item]) -> Item:\n");
    await person.ghostText();
    const panel = person.page.frameLocator("iframe.webview.ready").last().frameLocator("iframe").last();
    await panel.locator("text=tokens per second").first().waitFor();
    await person.page.waitForTimeout(1500);
    await person.photograph("statistics");
  });

  it("has not tried to leave this machine", () => {
    const foreign = network.attempts.filter(({ process: command }) => !/server-main\.js/.test(command));
    assert.deepEqual(foreign, []);
  });
});

/** The model is copied out of the package, checked, and packed for this processor. */
const firstStartMs = 5 * 60_000;
