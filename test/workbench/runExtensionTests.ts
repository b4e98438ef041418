import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeRecitalModel } from "./recitalModel.ts";
import { repository } from "./repository.ts";
import { Workbench } from "./workbench.ts";
import { copyWorkspace } from "./workspace.ts";

/** Longer than all suites together take on a slow machine. */
const deadlineMs = 10 * 60_000;

/**
 * Runs test/vscode inside the extension host of a real VS Code, on the recital model, with an engine of its own.
 * `JAKIRO_TEST_REPORT` names the file of counts; its absence afterwards tells that the host ended before the tests did.
 */
async function main(): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), "jakiro-vscode-"));
  const { file } = copyWorkspace(join(scratch, "workspace"));
  const model = join(scratch, "recital.gguf");
  writeRecitalModel(model);
  const workbench = await Workbench.start({
    settings: { "jakiro.model": model, "git.enabled": true },
    env: {
      JAKIRO_TEST_FILES: process.argv.slice(2).join(","),
      JAKIRO_CACHE_DIR: join(scratch, "cache"),
      JAKIRO_MODELS_DIR: join(scratch, "models"),
      XDG_RUNTIME_DIR: scratch,
    },
  });
  try {
    const window = await workbench.open({
      folder: file,
      extension: repository,
      tests: join(repository, "out", "test", "workbench", "extensionTests.js"),
    });
    const deadline = new Promise<"late">((resolve) => setTimeout(resolve, deadlineMs, "late").unref());
    const code = await Promise.race([window.exit, deadline]);
    if (code !== 0)
      console.log(
        window.log
          .filter((line) => !line.startsWith("info ["))
          .slice(-60)
          .join("\n"),
      );
    return code === "late" ? 1 : code;
  } finally {
    await workbench.close();
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}

void main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
