import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { failedCheck, root, run } from "./process.mjs";

const training = join(root, "training");
const environment = join(root, ".venv");
const isWindows = process.platform === "win32";

/** Runs the training code's tests and counts them from pytest's JUnit report. */
export async function runPytest(scratch) {
  const python = process.env.JAKIRO_PYTHON || (await preparedPython());
  if (python === undefined) {
    return failedCheck(
      "Failed: python (no environment with training/requirements.txt could be made in .venv; " +
        "set JAKIRO_PYTHON to a Python that has those packages)",
    );
  }
  const report = join(scratch, "python.xml");
  const code = await run(python, ["-m", "pytest", "tests", "-q", "-p", "no:cacheprovider", `--junitxml=${report}`], {
    cwd: training,
  });
  if (!existsSync(report)) return failedCheck(`Failed: python (pytest ended with ${code} and left no report)`);
  const result = countsOf(readFileSync(report, "utf8"));
  const total = result.passed + result.failed + result.skipped;
  if (total === 0 || (code !== 0 && result.failed === 0)) return failedCheck(`Failed: python (pytest: ${code})`);
  console.log(`${result.failed > 0 ? "FAIL" : "ok  "} python: ${result.passed} of ${total}`);
  return result;
}

/** Sums over JUnit's `testsuite` elements. */
function countsOf(xml) {
  const result = { passed: 0, failed: 0, skipped: 0, notable: [] };
  for (const [element] of xml.matchAll(/<testsuite\s[^>]*>/g)) {
    const attribute = (name) => Number(new RegExp(`\\s${name}="(\\d+)"`).exec(element)?.[1] ?? 0);
    const failed = attribute("failures") + attribute("errors");
    result.failed += failed;
    result.skipped += attribute("skipped");
    result.passed += attribute("tests") - failed - attribute("skipped");
  }
  for (const [, classname, name, outcome] of xml.matchAll(
    /<testcase classname="([^"]*)" name="([^"]*)"[^>]*[^/]>\s*<(failure|error|skipped)\b/g,
  )) {
    const verdict = outcome === "skipped" ? "Skipped" : "Failed";
    result.notable.push(`${verdict}: ${unescaped(`${classname} ${name}`)}`);
  }
  return result;
}

function unescaped(text) {
  const entities = { lt: "<", gt: ">", quot: '"', amp: "&" };
  return text.replace(/&(lt|gt|quot|amp);/g, (_, name) => entities[name]);
}

/** The environment's Python, made or renewed where the requirements ask for it; undefined where that fails. */
async function preparedPython() {
  const requirements = join(training, "requirements.txt");
  const stamp = join(environment, "requirements.sha256");
  const wanted = createHash("sha256").update(readFileSync(requirements)).digest("hex");
  const python = join(environment, ...(isWindows ? ["Scripts", "python.exe"] : ["bin", "python"]));
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return python;

  console.log("Preparing .venv for the training code: this takes minutes, once.");
  const made = (await run(isWindows ? "python" : "python3", ["-m", "venv", environment])) === 0;
  const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements];
  if (!made || (await run(python, install)) !== 0) return undefined;
  writeFileSync(stamp, wanted);
  return python;
}
