// One picture of bench results: speed-up by suite and method, tau by tree size where files were made with --nodes, and throughput by
// batch.
//   node bench/plot.mjs OUT.svg RESULT.json...      (results of `jakiro bench --json` and of gpu_batch.mjs)
import { readFileSync, writeFileSync } from "node:fs";

const [out, ...files] = process.argv.slice(2);
if (out === undefined || files.length === 0) {
  console.error("usage: node bench/plot.mjs OUT.svg RESULT.json...");
  process.exit(2);
}

/** In the order of the legend; strong enough on white and on black. */
const colours = {
  plain: "#8c959f",
  lookup: "#bf8700",
  eagle: "#2da44e",
  jakiro: "#0969da",
  "jakiro-star": "#8250df",
  auto: "#cf222e",
};
const [panelTop, panelHeight, left, gap] = [56, 260, 44, 56];

const results = files.map((file) => JSON.parse(readFileSync(file, "utf8")));
const batched = results.filter(({ batches }) => batches !== undefined);
const suites = results.filter(({ methods }) => methods !== undefined);
const measured = (method) =>
  suites.some((result) => result.methods[method] !== undefined) ||
  batched.some(({ batches }) => batches[0][method] !== undefined);
const methods = Object.keys(colours).filter(measured);
const bars = suites.filter(({ options }) => options.nodes === undefined);
const sweeps = suites.filter(({ options }) => options.nodes !== undefined);

const panels = [];
let x = left;
if (bars.length > 0) panels.push(speedups(place(Math.max(240, bars.length * (methods.length * 30 + 24)))));
if (sweeps.length > 0) panels.push(treeSizes(place(320)));
for (const result of batched) panels.push(throughput(result, place(320)));
const width = x - gap + 16;
const height = panelTop + panelHeight + 64;
writeFileSync(out, picture(panels.join("\n")));

/** Reserves a panel's width, left to right. */
function place(panelWidth) {
  const panel = { x, width: panelWidth };
  x += panelWidth + gap;
  return panel;
}

function speedups(panel) {
  const value = (result, method) => result.methods[method]?.speedup ?? 0;
  const top = niceTop(Math.max(...bars.flatMap((result) => methods.map((method) => value(result, method)))));
  const group = panel.width / bars.length;
  const bar = (group - 24) / methods.length;
  const marks = bars.flatMap((result, i) => [
    ...methods.flatMap((method, j) => {
      const speedup = value(result, method);
      if (speedup === 0) return [];
      const at = panel.x + i * group + 12 + j * bar;
      const y = levelOf(speedup, top);
      const column = rectangle(at + 1, y, bar - 2, panelTop + panelHeight - y, colours[method]);
      return [column, text(at + bar / 2, y - 4, speedup.toFixed(2), "value")];
    }),
    text(panel.x + (i + 0.5) * group, panelTop + panelHeight + 18, suiteName(result), "middle"),
  ]);
  return [...axis(panel, top, "speed-up over plain decoding"), ...marks].join("\n");
}

function throughput({ adapter, batches }, panel) {
  const drawn = methods.filter((method) => batches[0][method] !== undefined);
  const rate = (entry, method) => entry[method].tokensPerSecond;
  const top = niceTop(Math.max(...batches.flatMap((entry) => drawn.map((method) => rate(entry, method)))));
  const at = (i) => panel.x + ((i + 0.5) * panel.width) / batches.length;
  const lines = drawn.flatMap((method) =>
    line(
      method,
      batches.map((entry, i) => {
        const value = rate(entry, method);
        const isHighest = drawn.every((other) => rate(entry, other) <= value);
        return { x: at(i), y: levelOf(value, top), label: value.toFixed(0), isHighest };
      }),
    ),
  );
  const labels = batches.map(({ batch }, i) => text(at(i), panelTop + panelHeight + 18, String(batch), "middle"));
  const caption = text(panel.x + panel.width / 2, panelTop + panelHeight + 36, "texts at the same time", "middle");
  return [...axis(panel, top, `tokens per second, ${adapter}`, false), ...lines, ...labels, caption].join("\n");
}

/** A method's points, joined, with a label each. */
function line(method, points) {
  const path = points.map((point) => `${round(point.x)},${round(point.y)}`).join(" ");
  return [
    `<polyline points="${path}" fill="none" stroke="${colours[method]}" stroke-width="2"/>`,
    ...points.map(
      (point) => `<circle cx="${round(point.x)}" cy="${round(point.y)}" r="3.5" fill="${colours[method]}"/>`,
    ),
    ...points.map((point) => text(point.x, point.y + (point.isHighest ? -8 : 17), point.label, "value")),
  ];
}

function treeSizes(panel) {
  const sizes = [...new Set(sweeps.map(({ options }) => options.nodes))].sort((a, b) => a - b);
  const drawn = methods.filter((method) => method !== "plain" && method !== "auto");
  const tau = (size, method) => sweeps.find(({ options }) => options.nodes === size)?.methods[method]?.tau;
  const top = niceTop(Math.max(...sizes.flatMap((size) => drawn.map((method) => tau(size, method) ?? 0))));
  const at = (size) => panel.x + ((sizes.indexOf(size) + 0.5) * panel.width) / sizes.length;
  const isHighest = (size, value) => drawn.every((method) => !(tau(size, method) > value));
  const lines = drawn.flatMap((method) => {
    const known = sizes.filter((size) => tau(size, method) !== undefined);
    return line(
      method,
      known.map((size) => {
        const value = tau(size, method);
        return { x: at(size), y: levelOf(value, top), label: value.toFixed(2), isHighest: isHighest(size, value) };
      }),
    );
  });
  const labels = sizes.map((size) => text(at(size), panelTop + panelHeight + 18, String(size), "middle"));
  const caption = text(panel.x + panel.width / 2, panelTop + panelHeight + 36, "nodes given to verification", "middle");
  const title = `tau (tokens per forward), ${[...new Set(sweeps.map(suiteName))].join(", ")}`;
  return [...axis(panel, top, title), ...lines, ...labels, caption].join("\n");
}

function axis(panel, top, title, hasUnity = true) {
  const step = top > 6 ? unitOf(top) : 1;
  const rules = Array.from({ length: Math.floor(top / step) + 1 }, (_, i) => i * step).flatMap((value) => {
    const y = levelOf(value, top);
    const rule = `<line x1="${panel.x}" x2="${panel.x + panel.width}" y1="${round(y)}" y2="${round(y)}" class="rule"/>`;
    return [rule, text(panel.x - 6, y + 4, String(value), "end")];
  });
  const one = round(levelOf(1, top));
  const unity = `<line x1="${panel.x}" x2="${panel.x + panel.width}" y1="${one}" y2="${one}" class="unity"/>`;
  return [...rules, ...(hasUnity ? [unity] : []), text(panel.x, panelTop - 12, title, "title")];
}

function levelOf(value, top) {
  return panelTop + panelHeight * (1 - value / top);
}

/** A round number above the value, with room for a label. */
function niceTop(value) {
  const unit = unitOf(value);
  return Math.max(2, Math.ceil((value * 1.08) / unit) * unit);
}

function unitOf(value) {
  return value <= 20 ? 2 : 10 ** Math.floor(Math.log10(value / 2));
}

function suiteName({ suite }) {
  return suite.replace(/\.jsonl(\.gz)?$/, "");
}

function rectangle(x, y, w, h, fill) {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(w)}" height="${round(h)}" fill="${fill}"/>`;
}

function text(x, y, content, kind) {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${round(x)}" y="${round(y)}" class="${kind}">${escaped}</text>`;
}

function round(value) {
  return Math.round(value * 10) / 10;
}

function picture(content) {
  const { machine } = results[0];
  const legend = methods.map((method, i) => {
    const at = left + i * 104;
    return rectangle(at, 10, 10, 10, colours[method]) + text(at + 15, 19, method, "start");
  });
  const note = `${machine.processor} (${(machine.features ?? []).join(", ")}), ${machine.threads} threads; medians`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<style>
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .value, .middle { text-anchor: middle } .end { text-anchor: end } .value { font-size: 10px } .title { font-weight: 600 }
  .rule { stroke: #8c959f; stroke-opacity: 0.3 } .unity { stroke: #8c959f; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }
</style>
${legend.join("\n")}
${content}
${text(left, height - 8, note, "start")}
</svg>
`;
}
