import { readdirSync } from "node:fs";
import { join } from "node:path";
import Mocha from "mocha";
import { repository } from "./repository.ts";

/** Called by the extension host: runs the built suites of test/vscode in it. */
export async function run(): Promise<void> {
  const folder = join(repository, "out", "test", "vscode");
  const chosen = process.env["JAKIRO_TEST_FILES"]?.split(",").filter((part) => part !== "") ?? [];
  const mocha = new Mocha({
    timeout: 60_000,
    forbidOnly: true,
    reporter: join(repository, "test", "runner", "reporter.cjs"),
    reporterOptions: { report: process.env["JAKIRO_TEST_REPORT"] },
  });
  for (const name of readdirSync(folder).sort()) {
    if (!name.endsWith(".test.js")) continue;
    if (chosen.length === 0 || chosen.some((part) => name.includes(part))) mocha.addFile(join(folder, name));
  }
  const failures = await new Promise<number>((resolve) => mocha.run(resolve));
  if (failures > 0) throw new Error(`${failures} tests failed`);
}
