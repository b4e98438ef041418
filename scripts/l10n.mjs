/**
 * Writes l10n/bundle.l10n.json, what translators start from: every sentence that src/extension passes to `l10n.t`.
 *
 *     npm run l10n [-- --check]
 *
 * With --check, only fails where the file is not as it would be written.
 *
 * VS Code's own exporter finds only calls on the editor's API itself; here the localizer is passed in.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const sources = join(root, "src", "extension");

const messages = new Set();
for (const name of readdirSync(sources).filter((file) => file.endsWith(".ts"))) {
  const text = readFileSync(join(sources, name), "utf8");
  for (const { index } of text.matchAll(/\bl10n\.t\(/g)) {
    const [, literal] = /^l10n\.t\(\s*("(?:[^"\\\n]|\\.)*")/.exec(text.slice(index)) ?? [];
    const line = text.slice(0, index).split("\n").length;
    if (literal === undefined) {
      console.error(`src/extension/${name}:${line}: l10n.t takes its sentence as one string literal in double quotes.`);
      process.exit(1);
    }
    messages.add(JSON.parse(literal));
  }
}
const bundle = Object.fromEntries([...messages].sort().map((message) => [message, message]));
const file = join(root, "l10n", "bundle.l10n.json");
const text = `${JSON.stringify(bundle, null, 2)}\n`;
if (!process.argv.includes("--check")) writeFileSync(file, text);
else if (readFileSync(file, "utf8") !== text) {
  console.error("l10n/bundle.l10n.json is not what the extension says; run `npm run l10n`.");
  process.exitCode = 1;
}
