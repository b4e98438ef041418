import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { JakiroError } from "../../src/engine/errors.ts";
import type { DownloadLimits } from "../../src/engine/model/download.ts";
import {
  huggingFace,
  type ObtainedModel,
  type ObtainOptions,
  obtainModel,
} from "../../src/engine/model/fetchSources.ts";
import { type Answer, type ModelServer, modelOf, noise, serveModel, withFolder } from "./modelServer.ts";

const content = noise(300_000);
const model = modelOf(content);
const wrongBytes = noise(content.length, 2);
const hasty: DownloadLimits = { connectMs: 200, stallMs: 200, attempts: 3, pauseMs: 1, longestWaitMs: 1000 };

interface Bench {
  readonly folder: string;
  readonly server: ModelServer;
  readonly final: string;
  readonly part: string;
  readonly notes: string[];
  get(options?: Partial<ObtainOptions>): Promise<ObtainedModel>;
}

async function bench(script: readonly Answer[], use: (bench: Bench) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const server = await serveModel(content, script);
    const notes: string[] = [];
    try {
      await use({
        folder,
        server,
        notes,
        final: join(folder, model.file),
        part: join(folder, `${model.file}.part`),
        get: (options = {}) =>
          obtainModel(model, {
            folder,
            places: [],
            sources: [huggingFace(hasty, server.endpoint)],
            signal: new AbortController().signal,
            onNote: (note) => notes.push(note),
            ...options,
          }),
      });
    } finally {
      await server.close();
    }
  });
}

async function failure(attempt: Promise<unknown>): Promise<JakiroError> {
  const error = await attempt.then(
    () => assert.fail("should have failed"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof JakiroError, String(error));
  assert.match(error.message, /^[^\n]+\.$/, "one sentence on one line");
  return error;
}

describe("download", () => {
  it("fetches the file of the pinned revision", () =>
    bench([{}], async ({ get, server, final, folder }) => {
      const progress: number[] = [];
      const obtained = await get({ onProgress: ({ done }) => progress.push(done) });
      assert.deepEqual(obtained, { path: final, how: "downloaded", from: `the mirror ${server.endpoint}` });
      assert.deepEqual(await readFile(final), content);
      assert.deepEqual(await readdir(folder), [model.file], "nothing else stays behind");
      assert.deepEqual(server.requests, [
        { path: "/owner/repository/resolve/0123abc/test-model.gguf", range: undefined },
      ]);
      assert.equal(progress.at(-1), content.length);
      assert.deepEqual(
        progress,
        progress.toSorted((a, b) => a - b),
      );
    }));

  it("leaves a file alone that is already right", () =>
    bench([{}], async ({ get, server, final }) => {
      await writeFile(final, content);
      assert.equal((await get()).how, "present");
      assert.equal(server.requests.length, 0);
    }));

  it("replaces a file that has the right size and other bytes, and says so", () =>
    bench([{}], async ({ get, final, notes }) => {
      await writeFile(final, wrongBytes);
      assert.equal((await get()).how, "downloaded");
      assert.deepEqual(await readFile(final), content);
      assert.match(notes.join(), /damaged/);
    }));

  it("follows redirects, range included", () =>
    bench([{}], async ({ get, server, part, final }) => {
      await writeFile(part, content.subarray(0, 1000));
      const hub = await serveModel(content, [{ location: `${server.endpoint}/storage` }]);
      await get({ sources: [huggingFace(hasty, hub.endpoint)] });
      await hub.close();
      assert.deepEqual(server.requests, [{ path: "/storage", range: "bytes=1000-" }]);
      assert.deepEqual(await readFile(final), content);
    }));

  it("goes on after cuts within one run", () =>
    bench([{ cutAfter: 100_000 }, { cutAfter: 50_000 }, {}], async ({ get, server, final }) => {
      await get();
      assert.deepEqual(await readFile(final), content);
      const starts = server.requests.map(({ range }) => Number(range?.replace(/\D/g, "") ?? 0));
      assert.equal(starts.length, 3);
      assert.ok(0 === starts[0] && starts[0] < starts[1]! && starts[1]! < starts[2]!, String(starts));
    }));

  it("goes on from what an earlier run left", () =>
    bench([{}], async ({ get, server, part, final }) => {
      await writeFile(part, content.subarray(0, 123_456));
      await get();
      assert.equal(server.requests[0]?.range, "bytes=123456-");
      assert.deepEqual(await readFile(final), content);
    }));

  it("finishes a part file that is whole without asking anyone", () =>
    bench([{}], async ({ get, server, part, final }) => {
      await writeFile(part, content);
      await get();
      assert.equal(server.requests.length, 0);
      assert.deepEqual(await readFile(final), content);
    }));

  it("starts over with a server that ignores ranges", () =>
    bench([{ ignoreRange: true }], async ({ get, part, final }) => {
      await writeFile(part, content.subarray(0, 5000));
      await get();
      assert.deepEqual(await readFile(final), content);
    }));

  it("starts over when the part file is what spoils the hash", () =>
    bench([{}], async ({ get, server, part, final, notes }) => {
      await writeFile(part, wrongBytes.subarray(0, 5000));
      await get();
      assert.deepEqual(await readFile(final), content);
      assert.deepEqual(
        server.requests.map(({ range }) => range),
        ["bytes=5000-", undefined],
      );
      assert.match(notes.join(), /from the start/);
    }));

  it("discards a part file that is longer than the model", () =>
    bench([{}], async ({ get, server, part, final }) => {
      await writeFile(part, Buffer.concat([content, content]));
      await get();
      assert.equal(server.requests[0]?.range, undefined);
      assert.deepEqual(await readFile(final), content);
    }));

  it("tries again after a passing server error", () =>
    bench([{ status: 503 }, { status: 429 }, {}], async ({ get, server }) => {
      await get();
      assert.equal(server.requests.length, 3);
    }));

  it("waits as long as a busy server asks", () =>
    bench([{ status: 429, retryAfter: "1" }, {}], async ({ get, server, final }) => {
      const start = performance.now();
      await get();
      assert.ok(performance.now() - start >= 990, "asked again too soon");
      assert.equal(server.requests.length, 2);
      assert.deepEqual(await readFile(final), content);
    }));

  it("understands a Retry-After that is a date or nonsense", () =>
    bench(
      [{ status: 429, retryAfter: "Thu, 01 Jan 1970 00:00:00 GMT" }, { status: 429, retryAfter: "tomorrow" }, {}],
      async ({ get, server }) => {
        await get();
        assert.equal(server.requests.length, 3);
      },
    ));

  it("takes a slow file in many small pieces", () =>
    bench([{ pieces: 1000 }], async ({ get, final }) => {
      await get();
      assert.deepEqual(await readFile(final), content);
    }));

  it("asks the network through the fetch it was given, which may fail as Electron's does", () =>
    bench([{}], async ({ get, server }) => {
      const asked: string[] = [];
      const offline = (async (url: string) => {
        asked.push(url);
        throw new Error("net::ERR_INTERNET_DISCONNECTED");
      }) as unknown as typeof fetch;
      const error = await failure(get({ sources: [huggingFace(hasty, server.endpoint, offline)], advice: "Do that." }));
      assert.match(error.message, /net::ERR_INTERNET_DISCONNECTED\. Do that\.$/);
      assert.deepEqual(asked, [`${server.endpoint}/owner/repository/resolve/0123abc/test-model.gguf`]);
      assert.equal(server.requests.length, 0);
    }));

  const refusals: { name: string; script: Answer[]; says: RegExp; requests: number; keepsPart: boolean }[] = [
    { name: "404", script: [{ status: 404 }], says: /answered 404 Not Found/, requests: 1, keepsPart: false },
    { name: "403", script: [{ status: 403 }], says: /answered 403/, requests: 1, keepsPart: false },
    {
      name: "a server that wants to be left alone for long",
      script: [{ status: 429, retryAfter: "3600" }],
      says: /answered 429 .+ asks to be left alone for 60 minutes/,
      requests: 1,
      keepsPart: false,
    },
    { name: "lasting 500", script: [{ status: 500 }], says: /answered 500/, requests: 3, keepsPart: false },
    {
      name: "wrong bytes",
      script: [{ content: wrongBytes }],
      says: /other bytes than this model's/,
      requests: 1,
      keepsPart: false,
    },
    {
      name: "a longer file",
      script: [{ content: noise(300_001) }],
      says: /a file of 300001 bytes/,
      requests: 1,
      keepsPart: false,
    },
    {
      name: "a shorter file",
      script: [{ content: noise(2999) }],
      says: /a file of 2999 bytes/,
      requests: 1,
      keepsPart: false,
    },
    {
      name: "no answer",
      script: [{ silent: true }],
      says: /did not answer within 0.2 s/,
      requests: 1,
      keepsPart: false,
    },
    {
      name: "stalls",
      script: [{ stallAfter: 9000 }, { silent: true }],
      says: /did not answer/,
      requests: 4,
      keepsPart: true,
    },
    {
      name: "cuts without end",
      script: [{ cutAfter: 9000 }, { cutAfter: 0 }],
      says: /cut the connection/,
      requests: 4,
      keepsPart: true,
    },
  ];
  for (const { name, script, says, requests, keepsPart } of refusals) {
    it(`gives up on ${name}, with the source and the reason`, () =>
      bench(script, async ({ get, server, final, part }) => {
        const error = await failure(get());
        assert.equal(error.exitCode, 6);
        assert.match(error.message, says);
        assert.ok(error.message.includes(`the mirror ${server.endpoint}`), error.message);
        assert.equal(server.requests.length, requests);
        assert.equal(existsSync(final), false);
        assert.equal(existsSync(part), keepsPart);
      }));
  }

  it("names every source tried and asks the next one", () =>
    bench([{ status: 404 }], async ({ get, server }) => {
      const sources = [huggingFace(hasty, server.endpoint), huggingFace(hasty, "http://127.0.0.1:9")];
      const { message } = await failure(get({ sources }));
      assert.match(message, /127\.0\.0\.1:\d+: answered 404.*127\.0\.0\.1:9: .+jakiro models get test-model/);

      const other = await serveModel(content);
      const obtained = await get({ sources: [sources[1]!, sources[0]!, huggingFace(hasty, other.endpoint)] });
      await other.close();
      assert.equal(obtained.from, `the mirror ${other.endpoint}`);
    }));

  it("checks the free space before it asks anyone", () =>
    bench([{}], async ({ get, server, folder }) => {
      const error = await failure(get({ freeBytes: async () => content.length - 1 }));
      assert.match(error.message, /needs 1 MB more in .+, which has 1 MB free/);
      assert.equal(error.exitCode, 6);
      assert.equal(server.requests.length, 0);
      assert.deepEqual(await readdir(folder), []);
    }));

  it("counts only what is missing against the free space", () =>
    bench([{}], async ({ get, part }) => {
      await writeFile(part, content.subarray(0, 200_000));
      assert.equal((await get({ freeBytes: async () => 100_000 })).how, "downloaded");
    }));

  it("stops at a full disk without asking further sources", async function () {
    if (!existsSync("/dev/full")) this.skip();
    await bench([{}], async ({ get, server, part, final }) => {
      await symlink("/dev/full", part);
      const source = huggingFace(hasty, server.endpoint);
      const error = await failure(get({ sources: [source, source] }));
      assert.match(error.message, /disk is full/);
      assert.equal(server.requests.length, 1);
      assert.equal(existsSync(final), false);
    });
  });

  it("says what is wrong with a model folder that cannot be made", () =>
    bench([{}], async ({ get, final }) => {
      await writeFile(final, "not a folder");
      const error = await failure(get({ folder: join(final, "models") }));
      assert.equal(error.exitCode, 6);
      assert.match(error.message, /could not be written/);
    }));

  it("is fetched once when two ask at the same time", () =>
    bench([{}], async ({ get, server, notes, folder }) => {
      const both = await Promise.all([get(), get()]);
      assert.deepEqual(both.map(({ how }) => how).toSorted(), ["downloaded", "present"]);
      assert.equal(server.requests.length, 1);
      assert.match(notes.join(), /Another process is fetching/);
      assert.deepEqual(await readdir(folder), [model.file]);
    }));

  it("takes over the lock of a process that died", () =>
    bench([{}], async ({ get, final, folder }) => {
      // Larger than any process id.
      await writeFile(`${final}.lock`, JSON.stringify({ host: hostname(), pid: 2 ** 30, id: "x" }));
      assert.equal((await get()).how, "downloaded");
      assert.deepEqual(await readdir(folder), [model.file]);
    }));

  it("stops when interrupted, and the next run goes on", () =>
    bench([{ stallAfter: 65_536 }, {}], async ({ get, server, part, final, folder }) => {
      const interruption = new AbortController();
      const reason = new JakiroError("interrupted", "Interrupted.");
      const attempt = get({
        sources: [huggingFace({ ...hasty, stallMs: 60_000 }, server.endpoint)],
        signal: interruption.signal,
        onProgress: ({ done }) => done === 65_536 && interruption.abort(reason),
      });
      assert.equal(await failure(attempt), reason);
      assert.deepEqual(await readdir(folder), [`${model.file}.part`]);
      assert.deepEqual(await readFile(part), content.subarray(0, 65_536));

      await get();
      assert.equal(server.requests[1]?.range, "bytes=65536-");
      assert.deepEqual(await readFile(final), content);
    }));

  it("stops waiting for a lock when interrupted", () =>
    bench([{}], async ({ get, final }) => {
      await writeFile(`${final}.lock`, JSON.stringify({ host: hostname(), pid: process.pid, id: "other" }));
      const reason = new JakiroError("interrupted", "Interrupted.");
      const interruption = new AbortController();
      const attempt = get({ signal: interruption.signal, onNote: () => interruption.abort(reason) });
      assert.equal(await failure(attempt), reason);
    }));
});
