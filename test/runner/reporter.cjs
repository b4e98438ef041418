const { writeFileSync } = require("node:fs");
const { inspect } = require("node:util");

/** Mocha reporter: a line per top-level suite, failures in full, and the counts as JSON at the option `report`. */
module.exports = class Reporter {
  constructor(runner, options) {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const notable = [];
    let suite = { passed: 0, failed: 0, skipped: 0, start: 0 };

    runner.on("suite", ({ parent }) => {
      if (parent?.root) suite = { passed: 0, failed: 0, skipped: 0, start: performance.now() };
    });
    const count = (outcome) => {
      counts[outcome]++;
      suite[outcome]++;
    };
    runner.on("pass", () => count("passed"));
    runner.on("pending", (test) => {
      count("skipped");
      notable.push(`Skipped: ${test.fullTitle()}`);
    });
    runner.on("fail", (test, error) => {
      count("failed");
      const seed = process.env.JAKIRO_TEST_SEED;
      const title = seed === undefined ? test.fullTitle() : `${test.fullTitle()} (JAKIRO_TEST_SEED=${seed})`;
      notable.push(`Failed: ${title}`);
      console.log(`\nFAIL ${title}\n${indent(describe(error))}\n`);
    });
    runner.on("suite end", ({ parent, title }) => {
      if (!parent?.root) return;
      const { passed, failed, skipped, start } = suite;
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      const verdict = failed > 0 ? "FAIL" : skipped > 0 ? "SKIP" : "ok  ";
      console.log(`${verdict} ${title}: ${passed} of ${passed + failed + skipped} (${seconds} s)`);
    });
    runner.once("end", () => {
      writeFileSync(options.reporterOptions.report, JSON.stringify({ ...counts, notable }));
    });
  }
};

function describe(error) {
  if (!(error instanceof Error)) return inspect(error);
  return error.stack ?? error.message;
}

function indent(text) {
  return text.replace(/^/gm, "     ");
}
