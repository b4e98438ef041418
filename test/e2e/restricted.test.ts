import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentWindows } from "../workbench/agentWindows.ts";
import { engineProcesses } from "../workbench/engineProcesses.ts";
import { recital, writeRecitalModel } from "../workbench/recitalModel.ts";
import { agentMessages } from "../workbench/windowMessages.ts";
import { Workbench } from "../workbench/workbench.ts";
import { Person } from "./person.ts";

/** A window whose folder the user has not trusted, beside one whose folder is trusted. */
describe("a window in Restricted Mode", function () {
  this.timeout(4 * 60_000);
  const scratch = mkdtempSync(join(tmpdir(), "jakiro-"));
  let workbench: Workbench;
  let windows: AgentWindows;

  before(async () => {
    const model = join(scratch, "recital.gguf");
    writeRecitalModel(model);
    for (const name of ["trusted", "restricted"]) mkdirSync(join(scratch, name));
    writeFileSync(join(scratch, "restricted", "main.ts"), "");
    windows = await AgentWindows.listen(join(scratch, "agents"));
    workbench = await Workbench.start({
      settings: {
        "jakiro.model": model,
        "jakiro.head": "none",
        "security.workspace.trust.enabled": true,
        "security.workspace.trust.startupPrompt": "never",
      },
      env: {
        JAKIRO_CACHE_DIR: join(scratch, "cache"),
        JAKIRO_MODELS_DIR: join(scratch, "models"),
        JAKIRO_TEST_AGENTS: windows.socket,
        XDG_RUNTIME_DIR: scratch,
      },
    });
  });
  after(async () => {
    windows?.close();
    await workbench?.close();
    for (let left = engineProcesses(scratch); left.length > 0; left = engineProcesses(scratch)) {
      for (const id of left) process.kill(id, "SIGKILL");
      await sleep(50);
    }
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  });

  /** Lines of all logs of that name. */
  const logged = (name: string) => {
    const files = readdirSync(workbench.dataFolder, { recursive: true, encoding: "utf8" });
    const logs = files.filter((file) => basename(file) === name);
    return logs.flatMap((file) => readFileSync(join(workbench.dataFolder, file), "utf8").split("\n"));
  };

  it("suggests with what the engine serves and changes nothing for other windows", async () => {
    const { agent, page: trustedPage } = await windows.open(workbench, join(scratch, "trusted"));
    const owner = new Person(trustedPage);
    await owner.command("Workspaces: Manage Workspace Trust");
    await trustedPage
      .locator(".workspace-trust-editor .monaco-button", { hasText: /^Trust$/ })
      .first()
      .click();
    await owner.until("the window is trusted", () => agent.sendRequest(agentMessages.isTrusted));
    assert.equal(await agent.sendRequest(agentMessages.complete, "function f() {\n"), recital.join("").trimEnd());

    const restricted = await windows.open(workbench, join(scratch, "restricted"));
    const person = new Person(restricted.page);
    assert.equal(await restricted.agent.sendRequest(agentMessages.isTrusted), false);
    await person.openFile("main.ts");
    await person.type("function g() {\n");
    assert.match(await person.ghostText(), /const answer = compute/);
    assert.equal((await agent.sendRequest(agentMessages.engine)).connections, 2, "both use one engine");

    const served = logged("engine.log").filter((line) => line.includes("Serving"));
    assert.equal(
      served.length,
      1,
      `the model was loaded once, with the head that the user chose: ${served.join("\n")}`,
    );
  });
});
