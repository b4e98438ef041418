import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { failedCheck, node, root, run } from "./process.mjs";

/** Runs the suites of test/vscode, or those whose file name contains one of `fileNames`, in a real VS Code's extension host. */
export async function runVscode(fileNames, scratch) {
  const report = join(scratch, "vscode.json");
  const code = await run(node, [join(root, "out", "test", "workbench", "runExtensionTests.js"), ...fileNames], {
    env: { JAKIRO_TEST_REPORT: report },
  });
  if (!existsSync(report))
    return failedCheck(`Failed: vscode (the extension host ended before the tests had run: ${code})`);
  const result = JSON.parse(readFileSync(report, "utf8"));
  if (result.passed + result.failed + result.skipped === 0) return failedCheck("Failed: vscode held no tests");
  if (code === 0 || result.failed > 0) return result;
  return { ...result, failed: 1, notable: [...result.notable, `Failed: vscode ended with ${code}`] };
}
