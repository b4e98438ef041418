import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  isProof,
  newNonce,
  prepareFolder,
  proofOf,
  type RendezvousEnvironment,
  readSecret,
  rendezvousOf,
} from "../../../src/protocol/rendezvous.ts";

const isWindows = process.platform === "win32";

describe("rendezvousOf", () => {
  const linux: RendezvousEnvironment = {
    platform: "linux",
    runtimeFolder: "/run/user/7",
    temporaryFolder: "/tmp",
    user: "7",
  };

  it("meets in the user's runtime folder, else in the temporary one", () => {
    assert.equal(rendezvousOf("a", linux).folder, "/run/user/7/jakiro");
    for (const runtimeFolder of [undefined, "", "relative/folder"]) {
      assert.equal(rendezvousOf("a", { ...linux, runtimeFolder }).folder, "/tmp/jakiro-7");
    }
  });

  it("passes over folders whose sockets' paths would be too long", () => {
    const long = `/${"x".repeat(80)}`;
    assert.equal(rendezvousOf("a", { ...linux, runtimeFolder: long }).folder, "/tmp/jakiro-7");
    const temporaryFolder = `/${"ü".repeat(45)}`;
    const { folder, sockets } = rendezvousOf("a", { ...linux, runtimeFolder: long, temporaryFolder });
    assert.equal(folder, "/tmp/jakiro-7");
    for (const socket of sockets) assert.ok(Buffer.byteLength(socket) < 104, socket);
  });

  it("keeps builds and, on Windows, users apart", () => {
    const [one, other] = [rendezvousOf("a", linux), rendezvousOf("b", linux)];
    assert.equal(one.folder, other.folder);
    const names = [one, other].flatMap(({ sockets, lock, listenLock, secret }) => [
      ...sockets,
      lock,
      listenLock,
      secret,
    ]);
    assert.equal(new Set(names).size, names.length);
    for (const name of names) assert.equal(dirname(name), one.folder);

    const windows = (temporaryFolder: string) => rendezvousOf("a", { platform: "win32", temporaryFolder }).sockets;
    assert.match(windows("C:\\one")[0]!, /^\\\\\.\\pipe\\jakiro-[0-9a-f]{10}-[0-9a-f]{10}-0$/);
    if (!process.env["LOCALAPPDATA"]) assert.notDeepEqual(windows("C:\\one"), windows("C:\\two"));
  });
});

describe("a meeting place", () => {
  let scratch: string;
  beforeEach(() => {
    scratch = mkdtempSync(join(tmpdir(), "jakiro-"));
  });
  afterEach(() => rmSync(scratch, { recursive: true }));
  const mode = (path: string) => statSync(path).mode & 0o777;

  it("is a folder for this user alone, made or mended", async function () {
    if (isWindows) this.skip();
    const folder = join(scratch, "deep", "jakiro");
    await prepareFolder(folder);
    assert.equal(mode(folder), 0o700);
    chmodSync(folder, 0o755);
    await prepareFolder(folder);
    assert.equal(mode(folder), 0o700);
  });

  it("refuses a link in the folder's place", async function () {
    if (isWindows) this.skip();
    const real = join(scratch, "real");
    mkdirSync(real);
    const linked = join(scratch, "linked");
    symlinkSync(real, linked);
    await assert.rejects(prepareFolder(linked), /belongs to somebody else; remove it, or set XDG_RUNTIME_DIR/);
  });

  it("refuses another user's folder", async function () {
    if (isWindows) this.skip();
    const uid = process.getuid!;
    process.getuid = () => uid() + 1;
    try {
      await assert.rejects(prepareFolder(scratch), /belongs to somebody else/);
      writeFileSync(join(scratch, "secret"), newNonce(), { mode: 0o600 });
      await assert.rejects(readSecret(join(scratch, "secret")), /not a file of yours alone/);
    } finally {
      process.getuid = uid;
    }
  });

  it("has one secret, whoever makes it", async () => {
    const path = join(scratch, "secret");
    const secrets = await Promise.all(Array.from({ length: 20 }, () => readSecret(path)));
    assert.equal(new Set(secrets).size, 1);
    assert.match(secrets[0]!, /^[0-9a-f]{64}$/);
    assert.equal(await readSecret(path), secrets[0]);
    assert.deepEqual(readdirSync(scratch), ["secret"]);
    if (!isWindows) assert.equal(mode(path), 0o600);
  });

  it("refuses a secret that is damaged or that others may read", async () => {
    const path = join(scratch, "secret");
    for (const content of ["", "abc", "g".repeat(64), `${newNonce()}0`]) {
      writeFileSync(path, content, { mode: 0o600 });
      await assert.rejects(readSecret(path), /is damaged; remove it and try again/);
    }
    if (isWindows) return;
    writeFileSync(path, newNonce());
    chmodSync(path, 0o644);
    await assert.rejects(readSecret(path), /not a file of yours alone; remove it/);
    rmSync(path);
    const elsewhere = join(scratch, "elsewhere");
    writeFileSync(elsewhere, newNonce(), { mode: 0o600 });
    symlinkSync(elsewhere, path);
    await assert.rejects(readSecret(path), /not a file of yours alone/);
  });
});

describe("proofs", () => {
  it("hold for one secret, side and pair of nonces", () => {
    const [secret, client, server] = [newNonce(), newNonce(), newNonce()];
    const proof = proofOf(secret, "server", client, server);
    assert.ok(isProof(proofOf(secret, "server", client, server), proof));
    for (const other of [
      proofOf(newNonce(), "server", client, server),
      proofOf(secret, "client", client, server),
      proofOf(secret, "server", server, client),
      proofOf(secret, "server", newNonce(), server),
    ]) {
      assert.ok(!isProof(other, proof));
    }
    for (const given of [undefined, null, 5, "", proof.slice(1), `${proof.slice(1)}é`, [proof]]) {
      assert.ok(!isProof(proof, given));
    }
  });
});
