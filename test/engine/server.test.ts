import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { CancellationTokenSource, ErrorCodes, type MessageConnection } from "vscode-jsonrpc/node";
import { type CompleteParams, type EngineState, errorCodes, messages } from "../../src/protocol/messages.ts";
import { newNonce, proofOf, readSecret } from "../../src/protocol/rendezvous.ts";
import { jakiro, scratchFolder } from "./cliRun.ts";
import {
  build,
  code,
  dial,
  type EngineClient,
  EngineFixture,
  type EngineProcess,
  frame,
  meetingIn,
} from "./engineClient.ts";
import { tinyPath } from "./scratchTarget.ts";

const requestCancelled = -32800;
const qwen = tinyPath("tiny-qwen2");
const llama = tinyPath("tiny-llama");

const document = (name: string) => ({
  prefix: `def ${name}(x):\n    y = x\n    return `,
  suffix: "\n\nprint(1)\n",
  path: "a.py",
  languageId: "python",
});
/** The random model goes on for hundreds of forwards here. */
const long = { ...document("f1"), maxTokens: 400, alternatives: 8, progress: true };
const short = { ...document("g"), maxTokens: 8 };

describe("the engine process", function () {
  this.timeout(240_000);
  const scratch = scratchFolder();
  const engines = new EngineFixture(scratch.path);
  const enter = (folder: string) => engines.enter(folder);
  after(async () => {
    await engines.end();
    scratch.remove();
  });

  const runtimeFolder = engines.newRuntimeFolder();
  const meeting = meetingIn(runtimeFolder);
  let engine: EngineProcess;
  let client: EngineClient;
  before(async () => {
    engine = engines.start(runtimeFolder);
    await engine.started();
    client = await enter(runtimeFolder);
    await client.load(qwen);
  });

  describe("before the proof", () => {
    const refused = async (ask: (rpc: MessageConnection) => Promise<unknown>, expected: number) => {
      const { rpc, closed } = await dial(meeting.sockets[0]!);
      await assert.rejects(ask(rpc), code(expected));
      await closed;
      await client.turns();
    };

    it("answers nothing and hangs up", async () => {
      const asked = { ...short, id: 1, snippets: [], priority: "typed", progress: false };
      await refused((rpc) => rpc.sendRequest("complete", asked), errorCodes.notProven);
      await refused((rpc) => rpc.sendRequest(messages.diagnose), errorCodes.notProven);
      await refused((rpc) => rpc.sendRequest(messages.prove, { proof: newNonce() }), errorCodes.notProven);
    });

    it("tells nobody who does not know the secret anything but its own proof", async () => {
      const { rpc, closed } = await dial(meeting.sockets[0]!);
      const told: string[] = [];
      rpc.onNotification((method) => void told.push(method));
      const nonce = newNonce();
      const hello = await rpc.sendRequest(messages.hello, { nonce, build });
      assert.equal(hello.proof, proofOf(await readSecret(meeting.secret), "server", nonce, hello.nonce));
      await client.complete(short).answer;
      const proof = proofOf(newNonce(), "client", nonce, hello.nonce);
      await assert.rejects(rpc.sendRequest(messages.prove, { proof }), code(errorCodes.notProven));
      await closed;
      assert.deepEqual(told, []);
    });

    it("does not take its own proof, a second try, another build or a broken greeting", async () => {
      const hello = (rpc: MessageConnection) => rpc.sendRequest(messages.hello, { nonce: newNonce(), build });
      await refused(async (rpc) => {
        const { proof } = await hello(rpc);
        await rpc.sendRequest(messages.prove, { proof });
      }, errorCodes.notProven);
      await refused(async (rpc) => {
        await hello(rpc);
        await hello(rpc);
      }, errorCodes.notProven);
      const other = { nonce: newNonce(), build: "another" };
      await refused((rpc) => rpc.sendRequest(messages.hello, other), errorCodes.failed);
      await refused((rpc) => rpc.sendRequest("hello", { nonce: 1 }), ErrorCodes.InvalidParams);
    });

    it("takes no long messages", async () => {
      const { rpc, closed } = await dial(meeting.sockets[0]!);
      rpc.sendRequest("hello", { nonce: "x".repeat(10_000) }).catch(() => undefined);
      await closed;
    });
  });

  describe("with bad input", () => {
    const breaks: readonly (readonly [string, (client: EngineClient) => void])[] = [
      ["no headers", ({ socket }) => socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
      ["a length that is no number", ({ socket }) => socket.write("Content-Length: many\r\n\r\n{}")],
      ["no JSON", ({ socket }) => socket.write("Content-Length: 5\r\n\r\n{{{{{")],
      ["no message", ({ socket }) => socket.write("Content-Length: 2\r\n\r\n[]")],
      ["a cancellation of nothing", ({ socket }) => socket.write(frame({ jsonrpc: "2.0", method: "$/cancelRequest" }))],
      [
        "a message of more than 32 MB",
        ({ socket }) => {
          socket.write(`Content-Length: ${1 << 30}\r\n\r\n`);
          for (let i = 0; i < 34; i++) socket.write(Buffer.alloc(1 << 20, 0x20));
        },
      ],
    ];
    for (const [name, send] of breaks) {
      it(`closes the connection that sends ${name}, and no other`, async () => {
        const other = await enter(runtimeFolder);
        send(other);
        await other.closed;
        await client.turns();
      });
    }

    it("says what is wrong with parameters and goes on", async () => {
      const wrong: readonly (readonly [string, unknown, RegExp])[] = [
        ["complete", { ...short, id: 1, snippets: [], priority: "typed", progress: 1 }, /complete\.progress/],
        ["complete", [1, 2, 3], /complete must be an object/],
        ["complete", [{ id: 1 }, { onCancellationRequested: 1 }], /complete must be an object|complete\./],
        ["warm", {}, /warm\.prefix must be a string/],
        ["generate", { prefix: 1 }, /generate\.prefix/],
        ["configure", { device: "cpu", idleMinutes: "never" }, /configure\.idleMinutes/],
        ["observe", { rounds: "all" }, /observe\.rounds/],
      ];
      for (const [method, params, message] of wrong) {
        await assert.rejects(client.rpc.sendRequest(method, params), (error) => {
          assert.match((error as Error).message, message);
          return code(ErrorCodes.InvalidParams)(error);
        });
      }
      await assert.rejects(client.rpc.sendRequest("format"), code(ErrorCodes.MethodNotFound));
      await client.rpc.sendNotification("format", {});
      assert.equal(client.state.kind, "ready");
      await client.complete(short).answer;
    });
  });

  describe("completing", () => {
    it("writes what `jakiro complete` writes", async () => {
      for (const eol of ["\n", "\r\n"]) {
        const { prefix, suffix } = document("f2");
        const [before, rest] = [prefix, suffix].map((text) => text.replaceAll("\n", eol)) as [string, string];
        const argv = ["complete", "-", "--line", "2", "--character", "11", "--model", qwen, "--max-tokens", "48"];
        const env = { JAKIRO_CACHE_DIR: engines.cacheFolder };
        const printed = await jakiro([...argv, "--language", "python"], { env, input: before + rest });
        assert.equal(printed.code, 0, printed.stderr);
        const asked = { prefix: before, suffix: rest, languageId: "python", maxTokens: 48 };
        const { texts } = await client.complete(asked).answer;
        assert.ok(printed.stdout.length > 0);
        assert.deepEqual(texts, [printed.stdout]);
      }
    });

    it("tells the figures", async () => {
      const { statistics, ending } = await client.complete({ ...document("figures"), maxTokens: 30 }).answer;
      // A stop rule goes by its name.
      assert.match(
        ending,
        /^(end|length|lineEnd|closingBracket|jumpAhead|repeatedSuffix|filledHole|blockEnd|blankLines|repetition)$/,
      );
      assert.equal(statistics.method, "auto");
      assert.ok(statistics.promptTokens > statistics.suffixTokens && statistics.suffixTokens > 0);
      assert.ok(statistics.completionTokens >= 1 && statistics.completionTokens <= 30);
      assert.equal(statistics.offeredByDepth.length, statistics.acceptedByDepth.length);
      assert.ok(statistics.tau >= 1);
      assert.ok(statistics.firstTokenMs >= statistics.promptMs && statistics.totalMs >= statistics.firstTokenMs);
      for (const [name, value] of Object.entries(statistics)) {
        if (typeof value === "number") assert.ok(Number.isFinite(value) && value >= 0, name);
      }
    });

    it("begins alternatives with the best first tokens, the first as without them", async () => {
      const asked = { ...document("h"), maxTokens: 12 };
      const { texts: single } = await client.complete(asked).answer;
      const { texts, statistics } = await client.complete({ ...asked, alternatives: 5 }).answer;
      assert.equal(texts[0], single[0]);
      assert.ok(texts.length > 2 && texts.length <= 5, String(texts.length));
      assert.equal(new Set(texts).size, texts.length);
      assert.ok(!texts.includes(""));
      assert.ok(statistics.completionTokens <= 60);
      const again = await client.complete(asked).answer;
      assert.deepEqual(again.texts, single, "the session is as it was");
    });

    it("reports text only when it changed", async () => {
      const { id, answer } = client.complete({ ...document("f1"), maxTokens: 60, progress: true });
      await answer;
      const texts = client.texts.get(id)!;
      assert.ok(texts.length > 5);
      for (const [i, text] of texts.entries()) assert.notEqual(text, texts[i - 1]);
      const silent = client.complete({ ...document("f1"), maxTokens: 60 });
      await silent.answer;
      assert.equal(client.texts.get(silent.id), undefined);
    });

    it("finds the part before the cursor warmed", async () => {
      const warmed = document("warm_me_with_a_long_name");
      await client.rpc.sendRequest(messages.warm, { ...warmed, snippets: [] });
      const { statistics } = await client.complete({ ...warmed, maxTokens: 4 }).answer;
      assert.equal(statistics.cachedTokens, statistics.promptTokens - statistics.suffixTokens - 2);
    });

    it("shows rounds to the one who watches, of its own requests alone", async () => {
      const other = await enter(runtimeFolder);
      await other.rpc.sendRequest(messages.observe, { rounds: true });
      await client.complete({ ...document("f1"), maxTokens: 20 }).answer;
      assert.deepEqual([client.rounds.length, other.rounds.length], [0, 0]);
      const { statistics } = await other.complete({ ...document("f1"), maxTokens: 20 }).answer;
      assert.equal(other.rounds.length, statistics.targetForwards);
      for (const { tokens, parents, accepted, committed } of other.rounds) {
        assert.equal(tokens.length, parents.length);
        assert.deepEqual([parents[0], accepted[0]], [-1, 0]);
        assert.equal(accepted.length, committed);
      }
      await other.rpc.sendRequest(messages.observe, { rounds: false });
      await other.complete({ ...document("f1"), maxTokens: 20 }).answer;
      assert.equal(other.rounds.length, statistics.targetForwards);
      other.close();
    });

    it("generates from an instruction", async () => {
      const asked = { ...document("f1"), snippets: [], id: 1e6, instruction: "add", selection: "", maxTokens: 20 };
      const { text, statistics } = await client.rpc.sendRequest(messages.generate, asked);
      assert.equal(typeof text, "string");
      assert.ok(statistics.promptTokens > 0 && statistics.completionTokens > 0);
    });

    it("draws another answer for every seed, and the same for the same", async () => {
      const asked = { ...document("f1"), snippets: [], instruction: "add", selection: "", maxTokens: 20 };
      const texts: string[] = [];
      for (const [index, seed] of [undefined, 1, 2, 1].entries()) {
        const params = { ...asked, id: 2e6 + index, ...(seed === undefined ? {} : { seed }) };
        texts.push((await client.rpc.sendRequest(messages.generate, params)).text);
      }
      assert.equal(new Set(texts).size, 3);
      assert.equal(texts[3], texts[1]);
    });

    it("tells what runs, without paths below the home folder", async () => {
      const diagnosis = await client.rpc.sendRequest(messages.diagnose);
      assert.deepEqual(Object.keys(diagnosis).slice(0, 3), ["machine", "device", "deviceReason"]);
      assert.equal((diagnosis["costs"] as { model: string }[])[0]!.model.split("/").at(-1), "tiny-qwen2.gguf");
      assert.ok(homedir().length < 2 || !JSON.stringify(diagnosis).includes(`"${homedir()}`));
    });
  });

  describe("taking turns", () => {
    /** A long request that has begun. */
    async function begin(
      by: EngineClient,
      priority: CompleteParams["priority"],
      token = new CancellationTokenSource(),
    ) {
      const { id, answer } = by.complete({ ...long, priority }, token.token);
      await by.until(() => (by.texts.get(id)?.length ?? 0) > 3);
      return { answer, token };
    }

    it("ends a cancelled request within one forward", async () => {
      const { answer, token } = await begin(client, "typed");
      token.cancel();
      const [atCancel] = await Promise.all([client.turns(), assert.rejects(answer, code(requestCancelled))]);
      const after = await client.turns();
      // A draft and the forward behind it.
      assert.ok(after.typed - atCancel.typed <= 2, `${after.typed - atCancel.typed} more`);
      const { texts } = await client.complete(short).answer;
      assert.deepEqual(texts, (await (await enter(runtimeFolder)).complete(short).answer).texts);
    });

    it("gives up a prefetch for what the same window types", async () => {
      const { answer } = await begin(client, "prefetch");
      await client.complete(short).answer;
      await assert.rejects(answer, code(errorCodes.yielded));
    });

    it("pauses a prefetch while another window types, and finishes it then", async () => {
      const other = await enter(runtimeFolder);
      const undisturbed = await client.complete(long).answer;
      const { answer } = await begin(client, "prefetch");
      const before = await other.turns();
      let isTyped = false;
      const typed = other.complete({ ...document("f1"), maxTokens: 100 }).answer.finally(() => {
        isTyped = true;
      });
      const seen = [];
      while (!isTyped) seen.push(await other.turns());
      await typed;
      const after = await other.turns();
      assert.ok(after.typed - before.typed > 50);
      // Both ends of the typed request are out of sight: this process may have waited for its turn on the machine.
      const meanwhile = seen.filter((turns) => turns.typed > before.typed && turns.typed < after.typed);
      assert.ok(meanwhile.length > 1, `${meanwhile.length} looks at the typed request`);
      const [first, last] = [meanwhile[0]!, meanwhile.at(-1)!];
      assert.equal(last.prefetch - first.prefetch, 0, "forwards of the prefetch");
      assert.deepEqual((await answer).texts, undisturbed.texts);
      other.close();
    });

    it("lets two windows type at once", async () => {
      const other = await enter(runtimeFolder);
      const asked = [client, other].map((by, i) => by.complete({ ...document(`f${i + 3}`), maxTokens: 60 }));
      const together = await Promise.all(asked.map(({ answer }) => answer));
      for (const [i, { texts }] of together.entries()) {
        const alone = await client.complete({ ...document(`f${i + 3}`), maxTokens: 60 }).answer;
        assert.deepEqual(texts, alone.texts);
      }
      other.close();
    });

    it("ends the requests of a window that has gone", async () => {
      const other = await enter(runtimeFolder);
      await begin(other, "typed");
      other.close();
      await client.complete(short).answer;
      await client.until(() => client.state.kind === "ready" && !client.state.busy);
      const turns = await client.turns();
      assert.deepEqual(await client.turns(), turns);
    });

    it("is busy while it works", async () => {
      const busy = ({ kind, ...state }: EngineState) => kind === "ready" && "busy" in state && state.busy;
      const from = client.states.length;
      await client.complete(short).answer;
      await client.until(() => client.states.length >= from + 2);
      assert.deepEqual(client.states.slice(from, from + 2).map(busy), [true, false]);
    });
  });

  describe("its log", () =>
    it("holds no text of documents and no path below the home folder", () => {
      const lines = engine.stderr.trimEnd().split("\n");
      for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z \S/);
      assert.doesNotMatch(engine.stderr, /def |print|warm_me/);
      assert.ok(homedir().length < 2 || !engine.stderr.includes(homedir()));
    }));

  // Last: it leaves another model behind.
  describe("choosing another model", () =>
    it("serves the old model until the new one answers, and keeps it where that fails", async () => {
      const { texts: old } = await client.complete(short).answer;
      const broken = join(scratch.path, "broken.gguf");
      writeFileSync(broken, "no model");
      await client.configure({ modelPath: broken });
      await client.until(() => client.state.kind === "failed");
      assert.match((client.state as { message: string }).message, /broken\.gguf/);
      assert.deepEqual((await client.complete(short).answer).texts, old);

      const from = client.states.length;
      const [, during] = await Promise.all([client.configure({ modelPath: llama }), client.complete(short).answer]);
      assert.equal(client.states[from]!.kind, "loading");
      assert.deepEqual(during.texts, old);
      await client.until(() => client.state.kind === "ready");
      const { notes } = await client.complete(short).answer;
      assert.deepEqual(notes, ["noInfilling"]);
      const state = client.state as Extract<EngineState, { kind: "ready" }>;
      assert.equal(state.model.weights, createHash("sha256").update(readFileSync(llama)).digest("hex"));

      const told = client.states.length;
      await client.configure({ modelPath: llama });
      await client.turns();
      assert.equal(client.states.length, told, "the same choice changes nothing");
    }));
});
