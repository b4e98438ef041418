import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { AgentWindows } from "../workbench/agentWindows.ts";
import { engineProcesses } from "../workbench/engineProcesses.ts";
import { recital, writeRecitalModel } from "../workbench/recitalModel.ts";
import { repository } from "../workbench/repository.ts";
import { agentMessages } from "../workbench/windowMessages.ts";
import { Workbench } from "../workbench/workbench.ts";
import { Person } from "./person.ts";

/** A file that no prompt holds by chance: alone it takes more tokens than the other file and the request together. */
const otherFile = Array.from({ length: 50 }, (_, line) => `export const onlyElsewhere${line} = ${line};\n`).join("");
const mostPromptTokens = 200;

/** A window whose folder the user has not trusted, beside one that is trusted, as every window with tests is. */
describe("a window in Restricted Mode", function () {
  this.timeout(4 * 60_000);
  const scratch = mkdtempSync(join(tmpdir(), "jakiro-"));
  let workbench: Workbench;
  let windows: AgentWindows;

  before(async () => {
    const model = join(scratch, "recital.gguf");
    writeRecitalModel(model);
    for (const name of ["trusted", "restricted"]) mkdirSync(join(scratch, name));
    writeFileSync(join(scratch, "restricted", "elsewhere.ts"), otherFile);
    writeFileSync(join(scratch, "restricted", "main.ts"), "");
    windows = await AgentWindows.listen(join(scratch, "agents"));
    workbench = await Workbench.start({
      settings: {
        "jakiro.model": model,
        "jakiro.head": "none",
        "jakiro.trace": "requests",
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
    for (const id of engineProcesses(scratch)) process.kill(id, "SIGKILL");
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  });

  /** Lines of all logs of that name. */
  const logged = (name: string) => {
    const files = readdirSync(workbench.dataFolder, { recursive: true, encoding: "utf8" });
    const logs = files.filter((file) => basename(file) === name);
    return logs.flatMap((file) => readFileSync(join(workbench.dataFolder, file), "utf8").split("\n"));
  };

  it("suggests with what the engine serves, reads no other file and changes nothing for other windows", async () => {
    const { agent } = await windows.open(workbench, join(scratch, "trusted"));
    assert.equal(await agent.sendRequest(agentMessages.complete, "function f() {\n"), recital.join("").trimEnd());

    const { page } = await workbench.open({ folder: join(scratch, "restricted"), extension: repository });
    const person = new Person(page);
    await person.openFile("elsewhere.ts");
    await page.locator(".statusbar-item", { hasText: "Restricted Mode" }).waitFor();
    await person.openFile("main.ts");
    // What a trusted window would take from the first file is read when nothing was typed for a while.
    await page.waitForTimeout(1000);
    await person.type("function g() {\n");
    assert.match(await person.ghostText(), /const answer = compute/);
    assert.equal((await agent.sendRequest(agentMessages.engine)).connections, 2, "both use one engine");

    const requests = () => logged("Jakiro.log").filter((line) => /complete typed typescript: \d/.test(line));
    await person.until("the request is in the log", async () => requests().length > 0);
    for (const line of requests()) {
      const [, tokens] = /: (\d+) prompt tokens/.exec(line)!;
      assert.ok(Number(tokens) < mostPromptTokens, line);
    }
    const served = logged("engine.log").filter((line) => line.includes("Serving"));
    assert.equal(
      served.length,
      1,
      `the model was loaded once, with the head that the user chose: ${served.join("\n")}`,
    );
  });
});
