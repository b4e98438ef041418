import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { nodeTarball, unpackNode } from "./nodeBinary.mjs";
import { thirdPartyNotices } from "./notices.mjs";
import { stageModel } from "./offlineModel.mjs";
import { PackagingError } from "./packagingError.mjs";
import platforms from "./platforms.mjs";

/** What of dist/ ships. The command line stays out: it knows sources of models that the extension must not use. */
export const bundles = ["extension.js", "engine.js", "adapters.js"];

/** Heads to compare with, which nothing in the editor asks for. */
const comparedHeads = ["jakiro-star", "eagle"];

/** Parts of package.json that say how this repository is worked on. */
const developmentFields = ["private", "bin", "files", "scripts", "dependencies", "devDependencies"];

/** Lays out one platform's extension in the empty `folder`, as it is to lie in the VSIX. */
export async function stageExtension(root, target, folder, offlineModel) {
  const platform = platforms[target];
  const dist = join(folder, "dist");
  await mkdir(dist, { recursive: true });
  await stageManifest(root, folder);
  for (const name of ["README.md", "CHANGELOG.md"]) await stagePage(join(root, name), join(folder, name));
  for (const name of ["LICENSE", "l10n", "media", "models"]) {
    await cp(join(root, name), join(folder, name), { recursive: true, dereference: true, filter: ships });
  }
  for (const name of bundles) await stageBundle(join(root, "dist", name), join(dist, name));

  const runtimeVersion = await stageRuntime(root, platform, join(dist, "node_modules"));
  const webgpuVersion = await stageWebGpu(root, platform, join(dist, "node_modules", "webgpu"));
  // Where src/extension/engineRuntime.ts looks, which is how Node.js's own archives are laid out.
  const executable = platform.os === "win32" ? "node.exe" : join("bin", "node");
  const tarball = await nodeTarball(platform.node);
  const licenceTarball = await nodeTarball(platforms[platform.node.licenceOf ?? target].node);
  await unpackNode(tarball, licenceTarball, executable, join(dist, "node"));

  const notices = await thirdPartyNotices(root, bundles, {
    node: platform.node,
    runtimeVersion,
    webgpuVersion,
  });
  await writeFile(join(folder, "THIRD_PARTY_NOTICES.txt"), notices);
  if (offlineModel !== undefined) await stageModel(offlineModel, root, join(folder, "models", "bundled"));
  // vsce wants to be told that nothing is to be left out; the file itself does not ship.
  await writeFile(join(folder, ".vscodeignore"), "");
}

function ships(path) {
  return !(basename(dirname(dirname(path))) === "heads" && comparedHeads.includes(basename(path)));
}

async function stageManifest(root, folder) {
  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  for (const field of developmentFields) delete manifest[field];
  manifest.engines = { vscode: manifest.engines.vscode };
  await writeFile(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const name of await readdir(root)) {
    if (/^package\.nls(\..+)?\.json$/.test(name)) await cp(join(root, name), join(folder, name));
  }
}

/** Links into the repository lead nowhere in an installed extension, and there is no public address to point them at. */
async function stagePage(from, to) {
  const text = await readFile(from, "utf8");
  await writeFile(to, text.replace(/!?\[([^\]]*)\]\((?!https?:|mailto:|#)[^)]*\)/g, "$1"));
}

/** Source maps stay here, so the bundle must not point at one. */
async function stageBundle(from, to) {
  const text = await readFile(from, "utf8");
  await writeFile(to, text.replace(/\n\/\/# sourceMappingURL=\S+\s*$/, "\n"));
}

/**
 * onnxruntime-node where the bundles' `require` looks first: its JavaScript, one platform's binding and the library that this
 * loads. The rest (DirectML and the shader compilers on Windows, a second copy of the library on macOS) serves other devices than the
 * processor and is loaded only for them. Resolves to its version.
 */
async function stageRuntime(root, { os, cpu, runtime }, folder) {
  const { require, runtimeFolder, version } = await locateRuntime(root);
  const common = dirname(dirname(dirname(require.resolve("onnxruntime-common"))));
  const licences = join(root, "scripts", "licences", `onnxruntime-${version}`);
  const to = join(folder, "onnxruntime-node");

  await copyFiles(runtimeFolder, to, ["package.json", ...(await scriptsIn(runtimeFolder, "dist"))]);
  const binaries = join("bin", "napi-v6", os, cpu);
  await copyFiles(
    runtimeFolder,
    to,
    runtime.map((name) => join(binaries, name)),
  );
  await copyFiles(common, join(folder, "onnxruntime-common"), [
    "package.json",
    join("dist", "cjs", "package.json"),
    ...(await scriptsIn(common, join("dist", "cjs"))),
  ]);
  try {
    await cp(licences, to, { recursive: true });
  } catch {
    throw new PackagingError(
      `There are no licence texts for ONNX Runtime ${version}; put LICENSE and ThirdPartyNotices.txt of its Python wheel into ` +
        `scripts/licences/onnxruntime-${version}.`,
    );
  }
  return version;
}

/** webgpu: its JavaScript, its licence, and one platform's Dawn with the libraries that this loads. Resolves to its version. */
async function stageWebGpu(root, { webgpu }, to) {
  const from = join(root, "node_modules", "webgpu");
  const binaries = webgpu.files.map((name) => join("dist", webgpu.folder, name));
  await copyFiles(from, to, ["package.json", "index.js", "LICENSE.md", ...binaries]);
  return JSON.parse(await readFile(join(from, "package.json"), "utf8")).version;
}

async function locateRuntime(root) {
  const runtimeFolder = join(root, "node_modules", "onnxruntime-node");
  const manifest = join(runtimeFolder, "package.json");
  const { version } = JSON.parse(await readFile(manifest, "utf8"));
  return { require: createRequire(manifest), runtimeFolder, version };
}

async function scriptsIn(root, folder) {
  const names = await readdir(join(root, folder), { recursive: true });
  return names.filter((name) => name.endsWith(".js")).map((name) => join(folder, name));
}

async function copyFiles(from, to, names) {
  for (const name of names) {
    await mkdir(dirname(join(to, name)), { recursive: true });
    await cp(join(from, name), join(to, name), { dereference: true });
  }
}
