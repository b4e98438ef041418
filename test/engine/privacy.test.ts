import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { jakiro, scratchFolder } from "./cliRun.ts";
import { tinyPath } from "./scratchTarget.ts";

describe("privacy", function () {
  this.timeout(180_000);
  const scratch = scratchFolder();
  after(scratch.remove);

  it("leaves nothing in the user's home but its own cache: no telemetry of the runtime", async () => {
    const home = join(scratch.path, "home");
    mkdirSync(home);
    const argv = [
      "complete",
      "-",
      "--line",
      "0",
      "--character",
      "3",
      "--model",
      tinyPath("tiny-qwen2"),
      "--max-tokens",
      "4",
    ];
    const env = {
      HOME: home,
      USERPROFILE: home,
      XDG_CACHE_HOME: "",
      JAKIRO_CACHE_DIR: "",
      JAKIRO_MODELS_DIR: "",
      ORT_DISABLE_TELEMETRY: "",
    };
    const { code, stderr } = await jakiro(argv, { env, input: "abc def" });
    assert.equal(code, 0, stderr);
    const files = readdirSync(home, { recursive: true }).map(String);
    const foreign = files.filter(
      (file) => !/^(\.cache|Library|Library[\\/]Caches)$/.test(file) && !file.includes("jakiro"),
    );
    assert.ok(
      files.some((file) => file.includes("jakiro")),
      "the engine ran with this home",
    );
    assert.deepEqual(foreign, []);
  });
});
