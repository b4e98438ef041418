import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultModelName } from "../../src/engine/model/catalogue.ts";
import { repository } from "../workbench/repository.ts";
import { Workbench } from "../workbench/workbench.ts";
import { Person } from "./person.ts";

/** The default model in a real workbench; the README's pictures are taken here. */
describe("the default model in the editor", function () {
  this.timeout(10 * 60_000);
  const scratch = mkdtempSync(join(tmpdir(), "jakiro-e2e-"));
  let workbench: Workbench;
  let person: Person;

  before(async () => {
    cpSync(join(repository, "examples"), join(scratch, "shop"), { recursive: true });
    workbench = await Workbench.start({
      settings: {
        "jakiro.model": defaultModelName,
        "workbench.colorTheme": "Default Dark Modern",
        "workbench.secondarySideBar.defaultVisibility": "hidden",
        "editor.minimap.enabled": false,
        "editor.stickyScroll.enabled": false,
        "editor.fontSize": 15,
      },
      env: { XDG_RUNTIME_DIR: scratch },
    });
    const window = await workbench.open({ folder: join(scratch, "shop"), extension: repository });
    person = new Person(window.page);
    await person.openFile("inventory.py");
    await person.until("the model is known", async () => !/set up/.test((await person.status()).text));
  });
  after(async () => {
    await workbench?.close();
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  });

  it("writes the body of a function that a person began", async () => {
    await person.press("Control+End");
    await person.type("\ndef total_value(items: list[Item]) -> float:\n");
    const ghost = await person.ghostText();
    assert.match(ghost, /\S/);
    await person.page.waitForTimeout(1500);
    await person.photograph("ghost-text");
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
});
