import assert from "node:assert/strict";
import type { ConnectionState } from "../../../src/extension/engine.ts";
import { acceptanceRow, escapeMarkdown, type StatusFacts, statusText } from "../../../src/extension/statusText.ts";
import type { Figures } from "../../../src/extension/throughput.ts";
import { english } from "./localizer.ts";
import { model } from "./panelSample.ts";

const figures: Figures = {
  requests: 3,
  tokensPerSecond: 142.4,
  tau: 3.6,
  acceptanceByDepth: [0.83, 0.61, 0.4, 0.1],
  round: { draftMs: 5, verifyMs: 18, hostMs: 2 },
  lastLatencyMs: 184,
  slow: false,
};
const ready = (busy = false): ConnectionState => ({ kind: "ready", model: model(), busy });

function say(facts: Partial<StatusFacts>) {
  return statusText({ engine: ready(), paused: undefined, figures: undefined, ...facts }, english);
}

describe("status item", () => {
  const rate = "Jakiro 142 tok/s · 3.6 tok/pass";
  const spoken = "142 tokens per second, 3.6 tokens per pass";
  const states: { name: string; facts: Partial<StatusFacts>; text: string; label: RegExp; severity?: string }[] = [
    {
      name: "no model",
      facts: { engine: { kind: "noModel" } },
      text: "$(cloud-download) Jakiro: set up",
      label: /set up/,
    },
    { name: "starting", facts: { engine: { kind: "starting" } }, text: "$(loading~spin) Jakiro", label: /starting/ },
    {
      name: "loading",
      facts: { engine: { kind: "loading", name: "m", stage: "preparing", progress: 0.423 } },
      text: "$(loading~spin) Jakiro 42 %",
      label: /loading m, Preparing the model 42 %/,
    },
    {
      name: "loading for who knows how long",
      facts: { engine: { kind: "loading", name: "m", stage: "loading" } },
      text: "$(loading~spin) Jakiro",
      label: /loading m, Loading the model$/,
    },
    {
      name: "loading into memory that is short",
      facts: { engine: { kind: "loading", name: "m", stage: "loading" }, shortage: "2 GB, 1 GB are free." },
      text: "$(loading~spin) Jakiro",
      label: /Loading the model\. 2 GB, 1 GB are free\.$/,
      severity: "warning",
    },
    { name: "idle at first", facts: {}, text: "$(zap) Jakiro", label: /^Jakiro: idle$/ },
    { name: "idle", facts: { figures }, text: `$(zap) ${rate}`, label: new RegExp(`^Jakiro: idle, ${spoken}$`) },
    {
      name: "generating",
      facts: { engine: ready(true), figures },
      text: `$(loading~spin) ${rate}`,
      label: new RegExp(`^Jakiro: generating, ${spoken}$`),
    },
    {
      name: "paused",
      facts: { figures, paused: "on battery" },
      text: "$(debug-pause) Jakiro: paused",
      label: /Paused: on battery/,
    },
    {
      name: "slow",
      facts: { figures: { ...figures, slow: true } },
      text: `$(warning) ${rate}`,
      label: /^Jakiro: slow, 142/,
      severity: "warning",
    },
    {
      name: "released",
      facts: { engine: { kind: "released", name: "m" }, figures },
      text: "$(circle-outline) Jakiro: unloaded",
      label: /the next suggestion loads the model again/,
    },
    {
      name: "released and paused",
      facts: { engine: { kind: "released", name: "m" }, paused: "on battery" },
      text: "$(debug-pause) Jakiro: paused",
      label: /^Jakiro: Paused: on battery$/,
    },
    {
      name: "failed, with another model that goes on",
      facts: { engine: { kind: "failed", name: "m", message: "It is damaged.", serving: "old" } },
      text: "$(error) Jakiro",
      label: /error\. It is damaged\. old goes on making suggestions\./,
      severity: "error",
    },
    {
      name: "failed",
      facts: { engine: { kind: "failed", name: "m", message: "It is damaged." } },
      text: "$(error) Jakiro",
      label: /error\. It is damaged\./,
      severity: "error",
    },
    {
      name: "stopped",
      facts: { engine: { kind: "stopped", message: "It ended too often." } },
      text: "$(error) Jakiro",
      label: /error\. It ended too often\./,
      severity: "error",
    },
  ];
  for (const { name, facts, text, label, severity = "normal" } of states) {
    it(`says when it is ${name}`, () => {
      const said = say(facts);
      assert.equal(said.text, text);
      assert.match(said.label, label);
      assert.doesNotMatch(said.label, /\$\(|tok\//, "nothing a screen reader stumbles over");
      assert.equal(said.severity, severity);
      assert.notEqual(said.tooltip, "");
      assert.equal(said.command, facts.engine?.kind === "noModel" ? "jakiro.setUp" : "jakiro.menu");
    });
  }

  it("explains itself in the tooltip", () => {
    const { tooltip } = say({ figures });
    for (const part of ["on the processor", "draft head: jakiro", "3.6 times as fast", "40 tok/s", "184 ms", "83 %"]) {
      assert.ok(tooltip.includes(part), `${part} in ${tooltip}`);
    }
    const gpu = say({ engine: { kind: "ready", model: model({ device: "gpu", heads: [] }), busy: false } }).tooltip;
    assert.match(gpu, /on the graphics card, no draft head/);
    const named = say({
      engine: { kind: "ready", model: model({ device: "gpu", adapter: "Voodoo *2*" }), busy: false },
    });
    assert.ok(named.tooltip.includes("on the graphics card Voodoo \\*2\\*,"), named.tooltip);
    const deviceReason = "No GPU was found.";
    const reason = say({ engine: { kind: "ready", model: model({ deviceReason }), busy: false } }).tooltip;
    assert.ok(reason.includes("on the processor \\(No GPU was found.\\)"), reason);
    assert.match(gpu, /no draft head/);
    assert.match(gpu, /Nothing was suggested yet/);
  });

  it("names another extension that suggests inline", () => {
    const other = { id: "some.body", name: "Some_body" };
    assert.match(say({ other }).tooltip, /Some\\_body suggests code inline too/);
    assert.match(say({ other, paused: "on battery" }).tooltip, /Some\\_body/);
    assert.doesNotMatch(say({ other, engine: { kind: "noModel" } }).tooltip, /Some/);
    assert.doesNotMatch(say({}).tooltip, /inline too/);
  });

  it("shows a model's name as text, whatever it holds", () => {
    const name = "[x](command:evil) $(zap) <b>\n# y";
    const { tooltip } = say({ engine: { kind: "ready", model: model({ name }), busy: false } });
    assert.ok(tooltip.includes("\\[x\\]\\(command:evil\\) \\$\\(zap\\) \\<b\\> \\# y"), tooltip);
    assert.equal(escapeMarkdown("a_b"), "a\\_b");
  });

  it("draws a block per depth and names the first three", () => {
    assert.equal(acceptanceRow([1, 0.5, 0]), "█▅▁ 100 % · 50 % · 0 %");
    assert.equal(acceptanceRow(Array(20).fill(0.99)), "████████ 99 % · 99 % · 99 %");
  });
});
