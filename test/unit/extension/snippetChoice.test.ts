import assert from "node:assert/strict";
import { SnippetChoice } from "../../../src/extension/snippetChoice.ts";
import { SnippetRing, takeChunk } from "../../../src/extension/snippetRing.ts";
import { settled } from "./fakeClock.ts";
import { ScriptedEngine } from "./scriptedEngine.ts";
import { linesOf } from "./textSource.ts";

const invoice = "class Invoice {\n  customer\n  amount\n  currency\n}";
const widget = "class Widget {\n  colour\n  border\n  margin\n}";
const editorText = "function total(invoice) { return invoice.amount * rate(invoice.currency, customer) }";

describe("SnippetChoice", () => {
  let ring: SnippetRing;
  let engine: ScriptedEngine;
  let choice: SnippetChoice;
  beforeEach(() => {
    ring = new SnippetRing();
    engine = new ScriptedEngine();
    choice = new SnippetChoice(ring, engine);
  });
  const add = (text: string, path: string, line = 0) =>
    ring.add(takeChunk(linesOf(text), `file:///${path}`, path, line)!);
  const at = (line = 0, path = "total.ts") => ({
    uri: `file:///${path}`,
    line,
    wantsSnippets: true,
    read: () => ({ prefix: editorText, suffix: "" }),
  });
  const paths = (line = 0) => choice.current(at(line)).map(({ path }) => path);

  it("ranks by the names around the cursor and leaves out what has nothing to do with it", () => {
    add(widget, "widget.ts");
    add("class Rate {\n  currency\n  value\n  date\n}", "rate.ts");
    add(invoice, "invoice.ts");
    assert.deepEqual(paths(), ["invoice.ts", "rate.ts"]);
  });

  it("stays as it was while the user types, whatever comes into the ring", () => {
    add(invoice, "invoice.ts");
    assert.deepEqual(paths(), ["invoice.ts"]);
    add("class Customer {\n  customer\n  invoice\n  amount\n}", "customer.ts");
    assert.deepEqual(paths(20), ["invoice.ts"]);
  });

  it("is empty where nothing of other files is wanted", async () => {
    add(invoice, "invoice.ts");
    const place = { ...at(), wantsSnippets: false };
    assert.deepEqual(choice.current(place), []);
    await choice.refresh({ ...place, uri: "file:///other.ts" });
    assert.deepEqual(engine.warmed.at(-1)!.snippets, []);
  });

  it("is made anew after it was forgotten", () => {
    add(invoice, "invoice.ts");
    assert.deepEqual(paths(), ["invoice.ts"]);
    ring.forget(() => true);
    choice.forget();
    assert.deepEqual(paths(), []);
  });

  it("uses another choice only once the engine has read it", async () => {
    add(invoice, "invoice.ts");
    choice.current(at());
    add("class Customer {\n  customer\n  invoice\n  amount\n  currency\n}", "customer.ts");
    let warmed = () => {};
    engine.warmth = new Promise((resolve) => {
      warmed = resolve;
    });
    const refreshed = choice.refresh(at());
    await settled();
    assert.deepEqual(
      engine.warmed[0]?.snippets.map(({ path }) => path),
      ["customer.ts", "invoice.ts"],
    );
    warmed();
    await refreshed;
    assert.deepEqual(paths(), ["customer.ts", "invoice.ts"]);
  });

  it("is not changed by warming that a request has stopped", async () => {
    add(invoice, "invoice.ts");
    choice.current(at());
    add("class Customer {\n  customer\n  invoice\n  amount\n  currency\n}", "customer.ts");
    const refreshed = choice.refresh(at());
    assert.deepEqual(paths(), ["invoice.ts"]);
    await refreshed;
    assert.deepEqual(paths(), ["invoice.ts"]);
  });

  it("warms a document that was opened, and nothing where nothing has changed", async () => {
    await choice.refresh(at());
    assert.equal(engine.warmed.length, 1);
    assert.equal(engine.warmed[0]?.prefix, editorText);
    await choice.refresh(at());
    await choice.refresh(at(10));
    assert.equal(engine.warmed.length, 1);
  });

  it("warms a document that has the name of one that was closed", async () => {
    await choice.refresh(at());
    choice.closed(at(0, "other.ts").uri);
    await choice.refresh(at());
    assert.equal(engine.warmed.length, 1);
    choice.closed(at().uri);
    await choice.refresh(at());
    assert.equal(engine.warmed.length, 2);
  });

  it("takes pieces of the same document only where they are far from the cursor", () => {
    add(`${invoice}\n${"\n".repeat(100)}`, "total.ts");
    assert.deepEqual(paths(10), []);
    choice = new SnippetChoice(ring, engine);
    assert.deepEqual(paths(400), ["total.ts"]);
  });
});
