import assert from "node:assert/strict";
import { EngineFailure } from "../../../src/extension/engine.ts";
import { defaultSettings } from "../../../src/extension/settings.ts";
import { Desk, placeOf } from "./asking.ts";
import { readyState } from "./scriptedEngine.ts";

const block = "{\n  first();\n  second();\n  third();\n}";
const above = "function run() ";

describe("Completer", () => {
  let desk: Desk;
  beforeEach(() => {
    desk = new Desk();
  });

  it("sends the text around the cursor and offers what comes back", async () => {
    const offer = await desk.complete("const a = |;\nnext\n", "1 + 2");
    assert.deepEqual(offer?.texts, ["1 + 2"]);
    const { params } = desk.engine.requests[0]!;
    assert.deepEqual([params.prefix, params.suffix, params.path], ["const a = ", ";\nnext\n", "a.ts"]);
    assert.deepEqual([params.languageId, params.priority, params.maxTokens], ["typescript", "typed", 128]);
    assert.equal(desk.stage, undefined);
  });

  it("serves what is typed into a suggestion without a new request", async () => {
    await desk.complete("const a = |", "first + second");
    for (const [text, rest] of [
      ["const a = f|", "irst + second"],
      ["const a = first |", "+ second"],
      ["const a = |", "first + second"],
    ] as const)
      assert.deepEqual((await desk.ask(text).offer)?.texts, [rest]);
    assert.equal(desk.engine.of("typed").length, 1);
    assert.equal(desk.completer.figures.fromCache, 3);
  });

  it("asks again where the text behind the cursor is another", async () => {
    await desk.complete("a = |\nx", "1");
    void desk.ask("a = |\ny");
    await desk.clock.advance(150);
    assert.equal(desk.engine.of("typed").length, 2);
  });

  it("sends how the editor indents, and asks again where that has changed", async () => {
    const tabs = { insertSpaces: false, tabSize: 4 };
    await desk.complete("f() {|", "\n\ta();", { indentation: tabs });
    assert.deepEqual(desk.engine.requests[0]!.params.indentation, tabs);
    assert.deepEqual((await desk.ask("f() {|", { indentation: { ...tabs } }).offer)?.texts, ["\n\ta();"]);
    for (const indentation of [
      { ...tabs, tabSize: 8 },
      { ...tabs, insertSpaces: true },
    ])
      assert.deepEqual((await desk.complete("f() {|", "\n  a();", { indentation }))?.texts, ["\n  a();"]);
    assert.equal(desk.engine.of("typed").length, 3);
  });

  it("asks again once other weights answer, whatever their name, and keeps what the same ones answered", async () => {
    const serve = (changes: object) => {
      desk.engine.state = { ...readyState, model: { ...readyState.model, ...changes } };
    };
    desk.engine.state = { kind: "loading", name: "tiny", stage: "loading" };
    await desk.complete("const a = |", "first");
    serve({});
    assert.deepEqual((await desk.ask("const a = |").offer)?.texts, ["first"], "it answered while it was loading");
    desk.engine.state = { kind: "released", name: "tiny" };
    serve({ loadMs: 2, heads: ["jakiro"] });
    assert.deepEqual((await desk.ask("const a = |").offer)?.texts, ["first"], "it was loaded again");
    for (const change of [{ weights: "b2" }, { device: "gpu" }, { device: "gpu", adapter: "Other" }]) {
      serve(change);
      const answer = JSON.stringify(change);
      assert.deepEqual((await desk.complete("const a = |", answer))?.texts, [answer]);
    }
  });

  it("remembers that there was nothing to add", async () => {
    assert.equal(await desk.complete("done|", ""), undefined);
    assert.equal(desk.stage, "nothingToAdd");
    assert.equal(await desk.ask("done|").offer, undefined);
    assert.equal(desk.engine.requests.length, 1);
  });

  describe("in flight", () => {
    it("keeps and awaits the request that the user types into", async () => {
      const first = desk.ask("const a = |");
      await desk.clock.advance(0);
      first.cancel();
      assert.equal(await first.offer, undefined);
      assert.equal(desk.stage, "typing");
      await desk.move("const a = f|");
      const second = desk.ask("const a = f|");
      await desk.clock.advance(1000);
      assert.equal(desk.engine.requests.length, 1);
      desk.engine.latest.finish("first");
      assert.deepEqual((await second.offer)?.texts, ["irst"]);
      assert.equal(desk.completer.figures.joined, 1);
    });

    it("is given up when nobody asked again for 300 ms", async () => {
      const asked = desk.ask("const a = |");
      await desk.clock.advance(0);
      asked.cancel();
      await desk.clock.advance(299);
      assert.equal(desk.engine.latest.isCancelled, false);
      await desk.clock.advance(1);
      assert.equal(desk.engine.latest.isCancelled, true);
    });

    it("is kept for a user who has not gone on, and offered again when it comes", async () => {
      const asked = desk.ask("const a = |", { staysThere: true });
      await desk.clock.advance(0);
      asked.cancel();
      await desk.clock.advance(5000);
      assert.equal(desk.engine.latest.isCancelled, false);
      assert.equal(desk.offersAgain, 0);
      desk.engine.latest.finish("first");
      await desk.clock.advance(0);
      assert.equal(desk.offersAgain, 1);
      assert.deepEqual((await desk.ask("const a = |").offer)?.texts, ["first"]);
      assert.equal(desk.engine.of("typed").length, 1);
    });

    /** Types a letter that the answer to what stood before does not begin with; `staysThere` where the user has not gone on when it comes. */
    async function answerAnother(staysThere: boolean): Promise<void> {
      const first = desk.ask("const a = |");
      await desk.clock.advance(0);
      first.cancel();
      await desk.move("const a = s|");
      let isThere = true;
      const second = desk.ask("const a = s|", {
        get staysThere() {
          return isThere;
        },
      });
      await desk.clock.advance(200);
      second.cancel();
      await desk.clock.advance(300);
      isThere = staysThere;
      desk.engine.latest.finish("first");
      await desk.clock.advance(0);
    }

    it("is asked for anew where the user has not gone on and the text turns out to be another than what was typed", async () => {
      await answerAnother(true);
      assert.deepEqual([desk.engine.of("typed").length, desk.offersAgain], [2, 0], "there is no answer yet");
      desk.engine.latest.finish("um");
      await desk.clock.advance(0);
      assert.equal(desk.offersAgain, 1);
      assert.deepEqual((await desk.ask("const a = s|").offer)?.texts, ["um"]);
      assert.equal(desk.engine.of("typed").length, 2);
    });

    it("is asked for anew by nobody where the user has gone on meanwhile", async () => {
      await answerAnother(false);
      assert.deepEqual([desk.engine.of("typed").length, desk.offersAgain], [1, 0]);
    });

    it("is not offered again when the editor has asked by itself, nor where it is empty", async () => {
      const first = desk.ask("const a = |", { staysThere: true });
      await desk.clock.advance(0);
      first.cancel();
      await desk.clock.advance(300);
      const second = desk.ask("const a = |", { staysThere: true });
      desk.engine.latest.finish("first");
      assert.deepEqual((await second.offer)?.texts, ["first"]);
      assert.equal(desk.offersAgain, 0);
      const third = desk.ask("const b = |", { staysThere: true });
      await desk.clock.advance(0);
      third.cancel();
      await desk.clock.advance(300);
      desk.engine.latest.finish();
      await desk.clock.advance(0);
      assert.equal(desk.offersAgain, 0);
    });

    it("is given up at once when the document no longer leads to it", async () => {
      const asked = desk.ask("const a = |");
      await desk.clock.advance(0);
      desk.engine.latest.write("fir");
      await desk.move("const a = fi|");
      assert.equal(desk.engine.latest.isCancelled, false);
      await desk.move("const a = fo|");
      assert.equal(desk.engine.latest.isCancelled, true);
      assert.equal(await asked.offer, undefined);
      assert.equal(desk.engine.requests.length, 1);
    });

    for (const [what, text] of [
      ["deletes", "const a =|"],
      ["moves elsewhere", "const| a = "],
      ["changes what follows", "const a = |x"],
    ] as const)
      it(`is given up at once when the user ${what}`, async () => {
        void desk.ask("const a = |");
        await desk.clock.advance(0);
        await desk.move(text);
        assert.equal(desk.engine.latest.isCancelled, true);
      });

    it("is one at a time", async () => {
      void desk.ask("a|");
      await desk.clock.advance(0);
      desk.engine.latest.write("bc");
      void desk.ask("ax|");
      await desk.clock.advance(150);
      assert.deepEqual(
        desk.engine.requests.map(({ isCancelled }) => isCancelled),
        [true, false],
      );
    });

    it("is replaced where its end does not fit what was typed meanwhile", async () => {
      const first = desk.ask("a = |");
      await desk.clock.advance(0);
      first.cancel();
      const second = desk.ask("a = x|");
      await desk.clock.advance(0);
      desk.engine.latest.finish("y");
      await desk.clock.advance(150);
      desk.engine.latest.finish("yz");
      assert.deepEqual((await second.offer)?.texts, ["yz"]);
      assert.equal(desk.engine.of("typed").length, 2);
    });

    it("survives brackets that the editor closes", async () => {
      const first = desk.ask("call|");
      await desk.clock.advance(0);
      first.cancel();
      await desk.move("call(|)");
      const second = desk.ask("call(|)");
      await desk.clock.advance(0);
      desk.engine.latest.finish("(a, b)");
      const offer = await second.offer;
      assert.deepEqual([offer?.texts, offer?.closed], [["a, b)"], ")"]);
      assert.equal(desk.engine.of("typed").length, 1);
    });

    it("waits for the text of the suggestion widget to be typed", async () => {
      const asked = desk.ask("x.forEach|", { isAhead: true });
      await desk.clock.advance(0);
      await desk.move("x.for|");
      assert.equal(desk.engine.latest.isCancelled, false);
      await desk.move("x.for |");
      assert.equal(desk.engine.latest.isCancelled, true);
      assert.equal(await asked.offer, undefined);
    });
  });

  describe("several lines", () => {
    it("offers complete lines after 300 ms and has the rest when they were accepted", async () => {
      const asked = desk.ask(`${above}|\n`);
      await desk.clock.advance(100);
      desk.engine.latest.write("{\n  first();\n  sec");
      await desk.clock.advance(199);
      let offered = false;
      void asked.offer.then(() => {
        offered = true;
      });
      await desk.clock.advance(0);
      assert.equal(offered, false);
      await desk.clock.advance(1);
      assert.deepEqual((await asked.offer)?.texts, ["{\n  first();"]);

      desk.engine.latest.finish(block);
      await desk.clock.advance(0);
      const rest = await desk.ask(`${above}{\n  first();|\n`).offer;
      assert.deepEqual(rest?.texts, ["\n  second();\n  third();\n}"]);
      const typed = await desk.ask(`${above}{\n  fi|\n`).offer;
      assert.deepEqual(typed?.texts, ["rst();\n  second();\n  third();\n}"]);
      assert.equal(desk.engine.of("typed").length, 1);
    });

    it("has the rest although what was accepted is longer than it looks back", async () => {
      const long = `{\n  ${"call(argument);".repeat(20)}`;
      const asked = desk.ask(`${above}|\n`);
      await desk.clock.advance(0);
      desk.engine.latest.write(`${long}\n  x`);
      await desk.clock.advance(300);
      assert.deepEqual((await asked.offer)?.texts, [long]);
      desk.engine.latest.finish(`${long}\n  x();\n}`);
      await desk.clock.advance(0);
      await desk.complete("elsewhere|", "1");
      assert.deepEqual((await desk.ask(`${above}${long}|\n`).offer)?.texts, ["\n  x();\n}"]);
    });

    it("waits for the first line however long it takes", async () => {
      const asked = desk.ask(`${above}|\n`);
      await desk.clock.advance(0);
      desk.engine.latest.write("{");
      await desk.clock.advance(5000);
      desk.engine.latest.write("{\n  fir");
      assert.deepEqual((await asked.offer)?.texts, ["{"]);
    });

    it("does not cut a single line short, nor offer a part of one", async () => {
      const asked = desk.ask("// note|\n");
      await desk.clock.advance(400);
      desk.engine.latest.write(" that\nmore");
      await desk.clock.advance(400);
      desk.engine.latest.finish(" that thing");
      assert.deepEqual((await asked.offer)?.texts, [" that thing"]);
    });

    it("goes on decoding while the user types into what is shown, and shows what has grown", async () => {
      const asked = desk.ask(`${above}|\n`);
      await desk.clock.advance(0);
      desk.engine.latest.write("{\n  first();\n");
      await desk.clock.advance(300);
      await asked.offer;
      await desk.move(`${above}{|\n`);
      desk.engine.latest.write("{\n  first();\n  second();\n");
      const next = desk.ask(`${above}{|\n`);
      assert.deepEqual((await next.offer)?.texts, ["\n  first();\n  second();"]);
      assert.equal(desk.engine.requests.length, 1);
    });

    it("keeps CRLF", async () => {
      const asked = desk.ask("function run() |\r\n");
      await desk.clock.advance(0);
      assert.equal(desk.engine.latest.params.suffix, "\r\n");
      desk.engine.latest.write("{\r\n\tfirst();\r\n\tsec");
      await desk.clock.advance(300);
      assert.deepEqual((await asked.offer)?.texts, ["{\r\n\tfirst();"]);
      desk.engine.latest.finish("{\r\n\tfirst();\r\n\tsecond();\r\n}");
      await desk.clock.advance(0);
      const rest = await desk.ask("function run() {\r\n\t|\r\n").offer;
      assert.deepEqual(rest?.texts, ["first();\r\n\tsecond();\r\n}"]);
    });

    it("waits for the whole block where the user wants whole blocks", async () => {
      const asked = desk.ask(`${above}|\n`, { settings: { multiline: "always" } });
      await desk.clock.advance(0);
      desk.engine.latest.write("{\n  first();\n");
      await desk.clock.advance(2000);
      desk.engine.latest.finish(block);
      assert.deepEqual((await asked.offer)?.texts, [block]);
    });

    it("offers one line, and decodes no more, where the user wants one line", async () => {
      const wish = { settings: { multiline: "never" } } as const;
      const asked = desk.ask(`${above}|\n`, wish);
      await desk.clock.advance(0);
      desk.engine.latest.write("{\n  first();\n  sec");
      assert.deepEqual((await asked.offer)?.texts, ["{"]);
      assert.equal(desk.engine.latest.isCancelled, true);
      assert.deepEqual((await desk.ask(`${above}{|\n`, wish).offer)?.texts, ["\n  first();"]);
    });
  });

  describe("manual trigger", () => {
    it("waits for the whole block and offers three alternatives", async () => {
      const asked = desk.ask(`${above}|\n`, { trigger: "manual" });
      await desk.clock.advance(0);
      desk.engine.latest.write("{\n  first();\n  sec");
      await desk.clock.advance(3000);
      assert.equal(desk.engine.latest.params.alternatives, 3);
      desk.engine.latest.finish(block, "=> 1", "{}");
      assert.deepEqual((await asked.offer)?.texts, [block, "=> 1", "{}"]);
    });

    it("asks for alternatives although one completion is known, once", async () => {
      await desk.complete("a = |", "1");
      const asked = desk.ask("a = |", { trigger: "manual" });
      await desk.clock.advance(0);
      desk.engine.latest.finish("1", "2");
      assert.deepEqual((await asked.offer)?.texts, ["1", "2"]);
      assert.deepEqual((await desk.ask("a = |", { trigger: "manual" }).offer)?.texts, ["1", "2"]);
      assert.equal(desk.engine.of("typed").length, 2);
    });
  });

  describe("prefetch", () => {
    it("asks for what follows a suggestion and has it when that was accepted", async () => {
      await desk.complete("a|\nb", "1;");
      await desk.clock.advance(0);
      const [prefetch] = desk.engine.of("prefetch");
      assert.deepEqual([prefetch?.params.prefix, prefetch?.params.suffix], ["a1;", "\nb"]);
      prefetch?.finish("\nmore();");
      await desk.clock.advance(0);
      assert.deepEqual((await desk.ask("a1;|\nb").offer)?.texts, ["\nmore();"]);
      assert.equal(desk.engine.of("typed").length, 1);
    });

    it("gives way to a real request, even to one for its own state", async () => {
      await desk.complete("a|", "1;");
      await desk.clock.advance(0);
      const [prefetch] = desk.engine.of("prefetch");
      const asked = desk.ask("a1;|");
      await desk.clock.advance(150);
      assert.equal(prefetch?.isCancelled, true);
      desk.engine.of("typed").at(-1)?.finish("next");
      assert.deepEqual((await asked.offer)?.texts, ["next"]);
    });

    it("goes on while the user types through the suggestion", async () => {
      await desk.complete("a|", "1;");
      await desk.clock.advance(0);
      await desk.ask("a1|").offer;
      await desk.clock.advance(0);
      assert.equal(desk.engine.of("prefetch").length, 1);
      assert.equal(desk.engine.of("prefetch")[0]?.isCancelled, false);
    });

    it("stops when the window rests, and is not made where the user does not want it", async () => {
      await desk.complete("a|", "1;");
      await desk.clock.advance(0);
      desk.completer.looksAhead = false;
      assert.equal(desk.engine.of("prefetch")[0]?.isCancelled, true);
      await desk.complete("b|", "1;");
      desk.completer.looksAhead = true;
      await desk.complete("c|", "1;", { settings: { prefetch: false } });
      await desk.clock.advance(0);
      assert.equal(desk.engine.of("prefetch").length, 1);
    });

    it("is not made from the start where the window opens behind others", async () => {
      const behind = new Desk(false);
      await behind.complete("a|", "1;");
      await behind.clock.advance(0);
      assert.equal(behind.engine.of("prefetch").length, 0);
    });

    it("continues a block after the whole of it, not after the lines that were shown first", async () => {
      const asked = desk.ask(`${above}|\n`);
      await desk.clock.advance(0);
      desk.engine.latest.write("{\n  first();\n  sec");
      await desk.clock.advance(300);
      await asked.offer;
      assert.equal(desk.engine.of("prefetch").length, 0);
      desk.engine.latest.finish(block);
      await desk.clock.advance(0);
      assert.equal(desk.engine.of("prefetch")[0]?.params.prefix, above + block);
    });
  });

  describe("debounce", () => {
    it("asks an idle and fast engine at once, a slow one only when the user pauses", async () => {
      const slow = desk.ask("a|");
      await desk.clock.advance(0);
      assert.equal(desk.engine.requests.length, 1);
      await desk.clock.advance(800);
      desk.engine.latest.finish("1");
      await slow.offer;
      for (const text of ["ab|", "abc|", "abcd|"]) {
        const hasty = desk.ask(text);
        await desk.clock.advance(60);
        hasty.cancel();
      }
      assert.equal(desk.engine.of("typed").length, 1);
      void desk.ask("abcde|");
      await desk.clock.advance(150);
      assert.deepEqual(
        desk.engine.of("typed").map(({ params }) => params.prefix),
        ["a", "abcde"],
      );
    });

    it("does not take an engine for slow whose first line was there long before it was shown", async () => {
      for (const text of ["x|", "xy|", "xyz|", "xyza|", "xyzab|", "xyzabc|"]) {
        const hasty = desk.ask(text);
        await desk.clock.advance(60);
        hasty.cancel();
      }
      const asked = desk.ask(`${above}|\n`);
      await desk.clock.advance(60);
      desk.engine.latest.write("{\n  first();\n");
      await desk.clock.advance(300);
      assert.deepEqual((await asked.offer)?.texts, ["{\n  first();"]);
      desk.engine.latest.finish(block);
      await desk.clock.advance(0);
      void desk.ask("elsewhere|");
      await desk.clock.advance(0);
      assert.equal(desk.engine.latest.params.prefix, "elsewhere");
    });
  });

  describe("refuses", () => {
    const cases = [
      ["foreignEditor", { editor: { scheme: "vscode-scm" } }],
      ["foreignEditor", { editor: { scheme: "output" } }],
      ["foreignEditor", { editor: { scheme: "git" } }],
      ["foreignEditor", { editor: { languageId: "log" } }],
      ["readOnly", { editor: { readOnly: true } }],
      ["privateFile", { editor: { path: "/a/.env.local" } }],
      ["severalCursors", { editor: { cursors: 2 } }],
      ["selection", { editor: { hasSelection: true } }],
    ] as const;
    for (const [stage, wish] of cases)
      it(`whatever the trigger: ${stage} ${JSON.stringify(wish.editor)}`, async () => {
        for (const trigger of ["automatic", "manual"] as const) {
          assert.equal(await desk.ask("a|", { ...wish, trigger }).offer, undefined);
          assert.equal(desk.stage, stage);
        }
        assert.equal(desk.engine.requests.length, 0);
      });

    const whileTyping = [
      ["disabled", "a|", { settings: { enabled: false } }],
      ["paused", "a|", { isPaused: true }],
      ["languageDisabled", "a|", { settings: { enabledLanguages: { "*": true, typescript: false } } }],
      ["languageDisabled", "a|", { settings: { enabledLanguages: { "*": false } } }],
      ["midLine", "a| = 1", {}],
      ["midLine", "  |return 1", {}],
    ] as const;
    for (const [stage, text, wish] of whileTyping)
      it(`while typing, not when asked: ${stage} at ${text}`, async () => {
        assert.equal(await desk.ask(text, wish).offer, undefined);
        assert.equal(desk.stage, stage);
        void desk.ask(text, { ...wish, trigger: "manual" });
        await desk.clock.advance(0);
        assert.equal(desk.engine.requests.length, 1);
      });

    for (const text of ["f(|)", "f([|]);", "x = '|'", "<b>|</b>", "if (a|) {"])
      it(`not before closing characters: ${text}`, async () => {
        assert.deepEqual((await desk.complete(text, "1"))?.texts, ["1"]);
      });

    it("for a language that is on although the others are off", async () => {
      const settings = { enabledLanguages: { "*": false, typescript: true } };
      assert.deepEqual((await desk.complete("a|", "1", { settings }))?.texts, ["1"]);
    });

    it("without a model or an engine, and says which", async () => {
      desk.engine.state = { kind: "noModel" };
      await desk.ask("a|").offer;
      assert.equal(desk.stage, "noModel");
      desk.engine.state = { kind: "stopped", message: "It ended too often." };
      await desk.ask("a|").offer;
      assert.equal(desk.stage, "engine");
      assert.equal(desk.engine.requests.length, 0);
    });
  });

  describe("failures", () => {
    it("end empty with the engine's sentence, and the next request works", async () => {
      const asked = desk.ask("a|");
      await desk.clock.advance(0);
      desk.engine.latest.fail(new EngineFailure("The model file is damaged.", "model"));
      assert.equal(await asked.offer, undefined);
      assert.deepEqual(desk.log.explain({ t: (message) => message }), {
        stage: "engine",
        sentence: "The model file is damaged.",
        remedy: { title: "Select Model", command: "jakiro.selectModel" },
      });
      assert.deepEqual((await desk.complete("a|", "1"))?.texts, ["1"]);
    });

    it("of the engine's process end empty, and the next request works", async () => {
      const asked = desk.ask("a|");
      await desk.clock.advance(0);
      desk.engine.latest.die();
      assert.equal(await asked.offer, undefined);
      assert.equal(desk.stage, "yielded");
      assert.deepEqual((await desk.complete("a|", "1"))?.texts, ["1"]);
    });

    it("of the extension itself are not thrown at the editor", async () => {
      const { state } = placeOf("a|");
      const broken = Object.defineProperty({ ...state }, "prefix", {
        get() {
          throw new Error("no text");
        },
      });
      const none = { isCancellationRequested: false, onCancellationRequested: () => ({ dispose() {} }) };
      const editor = { scheme: "file", path: "/a", languageId: "c", readOnly: false, cursors: 1, hasSelection: false };
      const offer = await desk.completer.provide(
        {
          editor,
          trigger: "manual",
          settings: defaultSettings,
          isPaused: false,
          read: () => ({ state: broken, restOfLine: "", isAhead: false }),
          path: undefined,
          snippets: () => [],
          isCurrent: () => false,
          offerAgain: () => undefined,
        },
        none,
      );
      assert.equal(offer, undefined);
      assert.equal(desk.stage, "internal");
    });
  });

  it("forgets everything with the model or the settings", async () => {
    await desk.complete("a|", "1");
    desk.completer.invalidate();
    void desk.ask("a|");
    await desk.clock.advance(150);
    assert.equal(desk.engine.of("typed").length, 2);
  });

  it("never offers half of a character", async () => {
    await desk.complete("a = '|'", "\u{1f600}e\u0301x");
    for (const text of ["a = '\ud83d|'", "a = '\u{1f600}e|'"]) {
      void desk.ask(text);
      await desk.clock.advance(150);
      desk.engine.latest.finish("");
      await desk.clock.advance(0);
    }
    assert.equal(desk.engine.of("typed").length, 3);
    assert.deepEqual((await desk.ask("a = '\u{1f600}|'").offer)?.texts, ["e\u0301x"]);
  });
});
