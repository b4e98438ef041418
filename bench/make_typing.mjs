// The typing traces: which keys a person presses to write lines of a real file, and when.
//   node bench/make_typing.mjs add LANGUAGE FILE FROM TO   appends the lines FROM .. TO (one-based) of a file of this repository
//   node bench/make_typing.mjs                             makes the keys of all traces anew
//   node bench/make_typing.mjs --check                     fails where that would change one
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bundle } from "./bundle.mjs";
import { root } from "./options.mjs";

const { keysFor, languages, randomNumbers, readSittings, tracePath } = createRequire(import.meta.url)(
  await bundle("editor/traces.ts"),
);
const { values: options, positionals } = parseArgs({ options: { check: { type: "boolean" } }, allowPositionals: true });

const folder = join(root, "bench", "suites", "typing");
const [command, language, file, from, to] = positionals;
if (command === "add") write(language, [...readSittings(folder, language), sittingAt(language, file, +from, +to)]);
else for (const each of languages) write(each, readSittings(folder, each));

/** A cursor at the end of the line before the first one; everything else of the file is there. */
function sittingAt(language, file, first, last) {
  const lines = readFileSync(join(root, file), "utf8").split("\n");
  const textOf = (part) => part.join("\n");
  return {
    language,
    file,
    before: textOf(lines.slice(0, first - 1)),
    typed: `\n${textOf(lines.slice(first - 1, last))}`,
    after: `\n${textOf(lines.slice(last))}`,
  };
}

function write(language, sittings) {
  const made = sittings.map((sitting) => ({
    ...sitting,
    keys: keysFor(sitting, randomNumbers(`${sitting.file} ${sitting.typed}`)),
  }));
  const text = made.map((sitting) => `${JSON.stringify(sitting)}\n`).join("");
  const path = tracePath(folder, language);
  if (!options.check) return writeFileSync(path, text);
  if (readFileSync(path, "utf8") === text) return;
  console.error(`${path} is not what its texts make; run node bench/make_typing.mjs.`);
  process.exitCode = 1;
}
