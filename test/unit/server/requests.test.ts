import assert from "node:assert/strict";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CancellationToken, CancellationTokenSource, createMessageConnection } from "vscode-jsonrpc/node";
import { type ActiveRequest, Requests } from "../../../src/engine/server/requests.ts";
import { type CachingSession, SessionPool } from "../../../src/engine/server/sessionPool.ts";
import { ClosingWriter, LimitedReader } from "../../../src/engine/server/transport.ts";
import { errorCodes, type Priority } from "../../../src/protocol/messages.ts";

const prompt = { tokens: [1, 2, 3], lasting: 3 };
const requestCancelled = -32800;

describe("Requests", () => {
  let busy: boolean[];
  let requests: Requests;
  let pool: SessionPool<CachingSession>;
  /** Priorities of the forwards in their order. */
  let forwards: Priority[];
  /** Called in the middle of a forward, counted from 1. */
  let during: (forward: number) => void;
  beforeEach(() => {
    busy = [];
    forwards = [];
    during = () => undefined;
    requests = new Requests((now) => busy.push(now));
    pool = new SessionPool(async () => ({ tokens: [] }));
  });

  /** Decodes as the engine does: a forward is a task that blocks the event loop. */
  async function decode(request: ActiveRequest, count: number): Promise<number> {
    return await request.withSession(pool, prompt, async () => {
      for (let i = 0; i < count; i++) {
        await request.turn();
        if (request.signal.aborted) return i;
        await new Promise((resolve) => setImmediate(resolve));
        forwards.push(request.priority);
        during(forwards.length);
      }
      return count;
    });
  }

  const run = (owner: object, priority: Priority, count: number, token = CancellationToken.None) =>
    requests.run(owner, priority, token, (request) => decode(request, count));

  it("runs a request and tells when there is work", async () => {
    assert.equal(await run({}, "typed", 3), 3);
    assert.deepEqual(busy, [true, false]);
    assert.equal(requests.turns.granted.typed, 3, "the first turn is used");
  });

  it("passes on what the work threw", async () => {
    const failing = requests.run({}, "typed", CancellationToken.None, async () => assert.fail("no luck"));
    await assert.rejects(failing, /no luck/);
    assert.equal(requests.busy, false);
  });

  it("rejects a request that was cancelled before it began", async () => {
    const source = new CancellationTokenSource();
    source.cancel();
    await assert.rejects(run({}, "typed", 3, source.token), { code: requestCancelled });
    assert.deepEqual(forwards, []);
  });

  it("gives up what was guessed for an owner when it types, and nothing else", async () => {
    const [owner, other] = [{}, {}];
    const guesses = [run(owner, "warm", 9), run(other, "prefetch", 9)];
    const given = assert.rejects(guesses[0]!, { code: errorCodes.yielded });
    const generated = run(owner, "generate", 4);
    await run(owner, "typed", 2);
    assert.deepEqual(forwards.slice(0, 2), ["typed", "typed"]);
    assert.deepEqual([await generated, await guesses[1]], [4, 9]);
    await given;
  });

  it("ends all requests of an owner that has gone", async () => {
    const owner = {};
    const asked = (["typed", "generate", "warm"] as const).map((priority) =>
      assert.rejects(run(owner, priority, 9), { code: requestCancelled }),
    );
    const other = run({}, "warm", 2);
    requests.cancelAll(owner);
    await Promise.all(asked);
    assert.equal(await other, 2);
  });

  it("counts how long a request waited for others", async () => {
    const waited: number[] = [];
    const measure = (priority: Priority) =>
      requests.run({}, priority, CancellationToken.None, async (request) => {
        await decode(request, 20);
        waited.push(request.waitedMs);
      });
    await Promise.all([measure("warm"), measure("typed")]);
    assert.ok(waited[1]! > waited[0]!, `${waited}`);
  });

  describe("heard over a socket", () => {
    let folder: string;
    let server: Server;
    let client: Socket;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "jakiro-"));
    });
    beforeEach(async () => {
      const path = process.platform === "win32" ? `\\\\.\\pipe\\${folder.replaceAll(/\W/g, "-")}` : join(folder, "s");
      server = createServer((socket) => {
        const rpc = createMessageConnection(new LimitedReader(socket, 4096), new ClosingWriter(socket));
        rpc.onRequest("typed", (_, token: CancellationToken) => run(socket, "typed", 9, token));
        rpc.onRequest("prefetch", (_, token: CancellationToken) => run({}, "prefetch", 9, token));
        rpc.listen();
      });
      server.listen(path);
      await once(server, "listening");
      client = connect(path);
      await once(client, "connect");
    });
    afterEach(() => {
      client.destroy();
      server.close();
    });
    after(() => rmSync(folder, { recursive: true }));

    /** Reaches the other end before this returns: the event loop has no part in it. */
    const send = (message: Readonly<Record<string, unknown>>) => {
      const body = JSON.stringify({ jsonrpc: "2.0", ...message });
      client.write(`Content-Length: ${body.length}\r\n\r\n${body}`);
    };

    it("ends a request that is cancelled in the middle of a forward with that forward", async () => {
      during = (forward) => forward === 3 && send({ method: "$/cancelRequest", params: { id: 1 } });
      send({ id: 1, method: "typed", params: {} });
      const [answer] = (await once(client, "data")) as [Buffer];
      assert.match(answer.toString(), new RegExp(`"code":${requestCancelled}`));
      assert.equal(forwards.length, 3);
    });

    it("lets what is typed in the middle of a forward run behind that forward", async () => {
      during = (forward) => forward === 3 && send({ id: 2, method: "typed", params: {} });
      send({ id: 1, method: "prefetch", params: {} });
      await once(client, "data");
      assert.deepEqual(forwards.slice(0, 12), [...Array(3).fill("prefetch"), ...Array(9).fill("typed")]);
    });
  });
});
