// Draws what a command printed as a terminal's window, readable on light and on dark pages.
//   npm run -s demo | node scripts/terminalPicture.mjs "npm run demo" docs/images/demo.svg
import { readFileSync, writeFileSync } from "node:fs";

const [characterWidth, lineHeight, margin, titleHeight] = [7.25, 17, 18, 30];
/** Longer lines are folded. */
const mostColumns = 110;

const [command, out] = process.argv.slice(2);
if (command === undefined || out === undefined) {
  console.error("usage: COMMAND | node scripts/terminalPicture.mjs COMMAND OUT.svg");
  process.exit(2);
}
writeFileSync(out, picture(readFileSync(0, "utf8")));

/** An SVG of `output` below the command that printed it. */
function picture(output) {
  const lines = [`$ ${command}`, ...output.replace(/\s+$/, "").split("\n").flatMap(folded)];
  const width = Math.ceil(Math.max(...lines.map((line) => line.length)) * characterWidth) + 2 * margin;
  const height = titleHeight + lines.length * lineHeight + margin;
  const rows = lines.map((line, i) => {
    const y = titleHeight + (i + 1) * lineHeight - 4;
    return line === "" ? "" : `<text x="${margin}" y="${y}"${styleOf(line, i)}>${escaped(line)}</text>\n`;
  });
  const buttons = ["#ff5f57", "#febc2e", "#28c840"].map(
    (colour, i) => `<circle cx="${margin + 5 + i * 18}" cy="16" r="5" fill="${colour}"/>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>What ${escaped(command)} prints</title>
<style>
  text { font: 12px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #e6edf3; white-space: pre }
  .command { fill: #7ee787 } .note { fill: #8b949e } .figures { fill: #79c0ff; font-weight: 600 }
</style>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="#10151f" stroke="#8c959f" stroke-opacity="0.4"/>
${buttons.join("")}
${rows.join("")}</svg>
`;
}

function folded(line) {
  const text = line.replaceAll("\t", "    ");
  return text === "" ? [""] : (text.match(new RegExp(`.{1,${mostColumns}}`, "gu")) ?? []);
}

/** What the command says of its own, beside what the model wrote. */
function styleOf(line, i) {
  if (i === 0) return ' class="command"';
  if (/^tau \d/.test(line)) return ' class="figures"';
  return /^(---|text (equal|NOT EQUAL) to)/.test(line) || i === 1 ? ' class="note"' : "";
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
