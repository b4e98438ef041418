import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { chmod, link, lstat, mkdir, readFile, unlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir, userInfo } from "node:os";
import { isAbsolute, join, sep } from "node:path";
import type { Nonce } from "./messages.ts";

/**
 * Where the windows of one user and the engine process of one build meet: a socket, a lock that decides which window starts
 * the process, and a secret that both sides read. All lie in a folder that only this user may enter.
 */
export interface Rendezvous {
  readonly folder: string;
  /** Paths (pipe names on Windows) to listen on: the first one, or a later one where somebody else holds those before it. */
  readonly sockets: readonly string[];
  readonly lock: string;
  /** Held by a process while it makes sure that no other one serves, and begins to listen. */
  readonly listenLock: string;
  readonly secret: string;
}

/** What the place depends on; defaults are this process's own. */
export interface RendezvousEnvironment {
  readonly platform?: NodeJS.Platform;
  /** XDG_RUNTIME_DIR: a folder of this user's own, gone after logging out. */
  readonly runtimeFolder?: string | undefined;
  readonly temporaryFolder?: string;
  readonly user?: string;
}

/** sockaddr_un holds 104 bytes on macOS and 108 on Linux, the end mark included. */
const longestSocketPath = 103;
const socketNames = 3;

/** The meeting place of a build; nothing is created here. */
export function rendezvousOf(build: string, environment: RendezvousEnvironment = {}): Rendezvous {
  const {
    platform = process.platform,
    runtimeFolder = process.env["XDG_RUNTIME_DIR"],
    temporaryFolder = tmpdir(),
    user = currentUser(),
  } = environment;
  const name = createHash("sha256").update(build).digest("hex").slice(0, 10);
  const candidates =
    platform === "win32"
      ? [join(process.env["LOCALAPPDATA"] ?? temporaryFolder, "jakiro", "run")]
      : [
          ...(runtimeFolder !== undefined && isAbsolute(runtimeFolder) ? [join(runtimeFolder, "jakiro")] : []),
          join(temporaryFolder, `jakiro-${user}`),
          `/tmp/jakiro-${user}`,
        ];
  const socketIn = (folder: string, index: number) => {
    if (platform !== "win32") return join(folder, `${name}-${index}.sock`);
    // Pipe names are one space for all users of the machine.
    const owner = createHash("sha256").update(folder).digest("hex").slice(0, 10);
    return `\\\\.\\pipe\\jakiro-${owner}-${name}-${index}`;
  };
  const fits = (folder: string) => platform === "win32" || Buffer.byteLength(socketIn(folder, 0)) <= longestSocketPath;
  const folder = candidates.find(fits) ?? candidates.at(-1)!;
  return {
    folder,
    sockets: Array.from({ length: socketNames }, (_, index) => socketIn(folder, index)),
    lock: join(folder, `${name}.lock`),
    listenLock: join(folder, `${name}.listen.lock`),
    secret: join(folder, `${name}.secret`),
  };
}

function currentUser(): string {
  return process.getuid === undefined ? userInfo().username : String(process.getuid());
}

/** Makes the folder, for this user alone. Throws where somebody else owns that name. */
export async function prepareFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (process.getuid === undefined) return;
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== process.getuid()) {
    throw new Error(
      `${shortPath(folder)} belongs to somebody else; remove it, or set XDG_RUNTIME_DIR to a folder of yours.`,
    );
  }
  if ((found.mode & 0o077) !== 0) await chmod(folder, 0o700);
}

/** The secret of a meeting place, made by whoever asks first. Throws where the file is damaged or not this user's alone. */
export async function readSecret(path: string): Promise<string> {
  const found = (await readPrivately(path)) ?? (await makeSecret(path));
  const secret = found.trim();
  if (!/^[0-9a-f]{64}$/.test(secret)) throw new Error(`${shortPath(path)} is damaged; remove it and try again.`);
  return secret;
}

/** Undefined where there is no such file. */
async function readPrivately(path: string): Promise<string | undefined> {
  const found = await lstat(path).catch(absent);
  if (found === undefined) return undefined;
  const isOurs = process.getuid === undefined || (found.uid === process.getuid() && (found.mode & 0o077) === 0);
  if (!found.isFile() || !isOurs) {
    throw new Error(`${shortPath(path)} is not a file of yours alone; remove it and try again.`);
  }
  return await readFile(path, "utf8").catch(absent);
}

/** Written aside and then linked: whoever reads the file finds it whole, and of several makers the first one wins. */
async function makeSecret(path: string): Promise<string> {
  const aside = `${path}.${newNonce().slice(0, 16)}`;
  const secret = newNonce();
  await writeFile(aside, secret, { flag: "wx", mode: 0o600 });
  try {
    await link(aside, path);
    return secret;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return (await readPrivately(path)) ?? "";
  } finally {
    await unlink(aside);
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}

export function newNonce(): Nonce {
  return randomBytes(32).toString("hex");
}

/** What a side sends to show that it knows the secret. */
export function proofOf(secret: string, side: "client" | "server", client: Nonce, server: Nonce): string {
  return createHmac("sha256", secret).update(`${side}\n${client}\n${server}`).digest("hex");
}

export function isProof(expected: string, given: unknown): boolean {
  return (
    typeof given === "string" &&
    Buffer.byteLength(given) === Buffer.byteLength(expected) &&
    timingSafeEqual(Buffer.from(given), Buffer.from(expected))
  );
}

function shortPath(path: string): string {
  const home = homedir();
  return path.startsWith(`${home}${sep}`) ? `~${path.slice(home.length)}` : path;
}
