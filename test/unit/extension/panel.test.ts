import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { lineChart } from "../../../src/extension/charts.ts";
import { emptyPanel, liveTokensPerSecond, type PanelModel, reducePanel } from "../../../src/extension/panelModel.ts";
import { panelPage } from "../../../src/extension/panelPage.ts";
import { panelSections, sectionIds } from "../../../src/extension/panelSections.ts";
import { Throughput } from "../../../src/extension/throughput.ts";
import { layoutTree } from "../../../src/extension/treeDrawing.ts";
import type { ModelDescription, RoundParams } from "../../../src/protocol/messages.ts";
import { english } from "./localizer.ts";
import { model, round, statistics } from "./panelSample.ts";

const ready = (name = "m") => ({ kind: "ready", model: model({ name }), busy: false }) as const;

function panel(): PanelModel {
  const throughput = new Throughput();
  for (let at = 0; at < 3; at++) throughput.record({ at: at * 60_000, statistics: statistics(), awaited: true });
  return [
    { kind: "throughput", figures: throughput.figures, history: throughput.history } as const,
    { kind: "round", round } as const,
    { kind: "suggestions", counts: { offered: 8, accepted: 5, partlyAccepted: 2, kept: 3, judged: 4 } } as const,
  ].reduce(reducePanel, emptyPanel(ready()));
}

/** Throws where tags do not match; enough for markup without optional end tags. */
function checkNesting(html: string): void {
  const open: string[] = [];
  for (const [, end, name = "", , empty] of html.matchAll(
    /<(\/?)([a-z0-9]+)((?:\s+[a-zA-Z0-9-]+="[^"<>]*")*)\s*(\/?)>/g,
  )) {
    if (empty) continue;
    if (end) assert.equal(open.pop(), name, html);
    else open.push(name);
  }
  assert.deepEqual(open, [], html);
  assert.doesNotMatch(html.replace(/<\/?[a-z0-9]+(?:\s+[a-zA-Z0-9-]+="[^"<>]*")*\s*\/?>/g, ""), /[<>]/, "no stray tag");
}

describe("panel model", () => {
  it("keeps the latest rounds and forgets them with their model", () => {
    let state = panel();
    for (let i = 0; i < 100; i++) state = reducePanel(state, { kind: "round", round: { ...round, committed: i } });
    assert.equal(state.rounds.at(-1)?.committed, 99);
    assert.ok(state.rounds.length < 100);
    const kept = reducePanel(state, { kind: "engine", state: { ...ready(), busy: true } });
    assert.equal(kept.rounds.length, state.rounds.length);
    assert.equal(reducePanel(state, { kind: "engine", state: ready("other") }).rounds.length, 0);
  });

  it("is plain JSON and never changed in place", () => {
    const before = panel();
    const text = JSON.stringify(before);
    assert.deepEqual(JSON.parse(text), before);
    reducePanel(before, { kind: "round", round });
    assert.equal(JSON.stringify(before), text);
  });

  it("takes the live rate from the rounds' own times", () => {
    assert.equal(liveTokensPerSecond(emptyPanel(ready())), undefined);
    const rounds = [
      { ...round, committed: 4, draftMs: 5, verifyMs: 15 },
      { ...round, committed: 2, draftMs: 0, verifyMs: 20 },
    ];
    assert.equal(liveTokensPerSecond({ ...panel(), rounds }), 150);
  });
});

describe("panel sections", () => {
  const states: [string, PanelModel][] = [
    ["everything", panel()],
    ["nothing yet", emptyPanel({ kind: "noModel" })],
    ["loading", emptyPanel({ kind: "loading", name: "<m>", stage: "preparing", progress: 0.5 })],
    ["a failure", emptyPanel({ kind: "failed", name: "m", message: "<script>alert(1)</script>" })],
    ["a released model", emptyPanel({ kind: "released", name: "\"'" })],
  ];
  for (const [name, state] of states) {
    it(`are well-formed with ${name}`, () => {
      const sections = panelSections(state, english);
      assert.deepEqual(Object.keys(sections), [...sectionIds]);
      for (const html of Object.values(sections)) {
        checkNesting(html);
        assert.doesNotMatch(html, /NaN|undefined|Infinity|\son[a-z]+=|style=/);
      }
    });
  }

  it("names the GPU, or says why there is none", () => {
    const engine = (changes: Partial<ModelDescription>) =>
      panelSections(emptyPanel({ kind: "ready", model: model(changes), busy: false }), english).engine;
    assert.match(engine({ device: "gpu", adapter: "Voodoo <2>" }), /<dt>device<\/dt><dd>Voodoo &#60;2&#62;<\/dd>/);
    assert.match(engine({ device: "gpu" }), /<dd>graphics card<\/dd>/);
    const reason = engine({ deviceReason: "No GPU was found." });
    assert.match(reason, /<dd>processor<\/dd><dt>why not the graphics card<\/dt><dd>No GPU was found\.<\/dd>/);
  });

  it("escape tokens, names and messages", () => {
    const hostile = [`<img src=x onerror="alert(1)">`, "&lt;", `"'`, "\n", "\u0000"];
    const parents = [-1, 0, 1, 2, 3];
    const state = reducePanel(panel(), {
      kind: "round",
      round: { ...round, tokens: hostile, parents, accepted: [0, 1] },
    });
    const { tree } = panelSections(state, english);
    checkNesting(tree);
    assert.doesNotMatch(tree, /<img/);
    assert.ok(tree.includes("&#38;lt;"), tree);
    assert.ok(tree.includes("⏎"));
    const named = panelSections(emptyPanel(ready("<b>&")), english).engine;
    assert.ok(named.includes("&#60;b&#62;&#38;"), named);
  });

  it("say in words and tables what the drawings show", () => {
    const sections = panelSections(panel(), english);
    for (const id of ["speed", "tau", "acceptance", "round", "tree"] as const) {
      assert.match(sections[id], /<svg role="img" aria-label="[^"]{10,}"/, id);
    }
    for (const id of ["speed", "tau", "acceptance", "tree"] as const) {
      assert.match(sections[id], /<table class="for-screen-readers"><caption>[^<]+<.+<th scope="row">/, id);
    }
    assert.match(sections.tree, /Tree of 8 drafted tokens, of which 3 were accepted/);
    assert.match(sections.round, /draft 5\.0 ms, verify 18 ms, host 2\.5 ms/);
    assert.match(sections.suggestions, /5 \(63 %\).+2 \(25 %\)/);
    assert.match(sections.suggestions, /3 \(75 %\)/);
    assert.match(sections.acceptance, /75 %/);
  });

  it("light the accepted path and nothing else", () => {
    const { tree } = panelSections(panel(), english);
    assert.equal(tree.match(/class="node lit"/g)?.length, 4);
    assert.equal(tree.match(/class="edge lit"/g)?.length, 3);
    assert.equal(tree.match(/class="node"/g)?.length, 5);
  });
});

describe("tree layout", () => {
  it("runs the accepted path along the top and gives every leaf a line", () => {
    const nodes = layoutTree(round);
    assert.deepEqual(
      round.accepted.map((index) => [nodes[index]!.depth, nodes[index]!.row]),
      [
        [0, 0],
        [1, 0],
        [2, 0],
        [3, 0],
      ],
    );
    const places = nodes.map(({ depth, row }) => `${depth}/${row}`);
    assert.equal(new Set(places).size, nodes.length, "no two in one place");
    assert.equal(Math.max(...nodes.map(({ row }) => row)), 3);
  });

  it("places every token of a damaged message once", () => {
    const damaged: Pick<RoundParams, "tokens" | "parents" | "accepted">[] = [
      { tokens: ["a", "b"], parents: [1, 0], accepted: [7] },
      { tokens: ["a"], parents: [0], accepted: [] },
      { tokens: ["a", "b"], parents: [-1, 99], accepted: [] },
      { tokens: ["a", "b", "c"], parents: [-1], accepted: [0, 0] },
      { tokens: [], parents: [-1, 0], accepted: [] },
    ];
    for (const part of damaged) {
      const broken = { ...round, ...part };
      assert.equal(layoutTree(broken).filter(Boolean).length, part.tokens.length);
      checkNesting(panelSections(reducePanel(panel(), { kind: "round", round: broken }), english).tree);
    }
  });

  it("takes a chain as deep as retrieval proposes", () => {
    const tokens = Array.from({ length: 64 }, (_, index) => `t${index}`);
    const chain = { ...round, tokens, parents: tokens.map((_, index) => index - 1), accepted: [0] };
    assert.equal(layoutTree(chain).at(-1)?.depth, 63);
  });
});

describe("panel page", () => {
  const page = panelPage(
    {
      nonce: "0123abcd",
      cspSource: "https://*.csp",
      style: "https://a/panel.css",
      script: "https://a/panel.js",
      language: "en",
    },
    english,
  );

  it("allows its own script and style and nothing else", () => {
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(page)?.[1]?.replaceAll("&#39;", "'");
    assert.equal(policy, "default-src 'none'; style-src https://*.csp; script-src 'nonce-0123abcd'");
    assert.equal(page.match(/<script/g)?.length, 1);
    assert.ok(page.includes('<script nonce="0123abcd" src="https://a/panel.js"></script>'));
    assert.doesNotMatch(page, /style=|\son[a-z]+=|<style/);
  });

  it("has a place and a heading for every section", () => {
    for (const id of sectionIds) {
      assert.equal(page.split(`id="${id}"`).length, 2, id);
      if (id !== "overview")
        assert.match(page, new RegExp(`aria-labelledby="${id}-title"[^§]*<h2 id="${id}-title">[^<]+<`));
    }
    assert.match(page, /id="tree" class="scrolling" tabindex="0" role="region"/, "scrolled by keyboard");
    assert.match(page, /<button id="reset" type="button">/);
  });

  it("has a script that neither evaluates nor asks the network", () => {
    const script = readFileSync("media/panel/panel.js", "utf8");
    assert.doesNotMatch(script, /eval|Function\(|fetch|XMLHttpRequest|WebSocket|import|https?:/);
    assert.doesNotMatch(readFileSync("media/panel/panel.css", "utf8"), /@import|url\(|https?:|animation|transition/);
  });
});

describe("a line chart", () => {
  const chart = (values: readonly number[]) =>
    lineChart({ label: "", values, reference: { value: 5, label: "five" }, ends: ["", ""], format: String });
  const place = (drawing: string) => Number(/x="([\d.]+)"[^>]*>five/.exec(drawing)![1]);

  it("has its reference's label where the values are far from it", () => {
    assert.ok(place(chart([5, 6, 9, 10])) > place(chart([10, 9, 6, 5])));
  });

  it("has one without any value", () => {
    assert.match(chart([]), />five</);
  });
});
