import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { PackagingError } from "./packagingError.mjs";

const rule = `\n\n${"=".repeat(80)}\n`;

/**
 * The text of THIRD_PARTY_NOTICES.txt: every package that is inside the bundles, by the sources that their source maps name, with
 * its licence. What the VSIX carries as files of its own keeps its licence beside it and is only named.
 */
export async function thirdPartyNotices(root, bundles, { node, runtimeVersion, webgpuVersion }) {
  const folders = new Set();
  for (const bundle of bundles)
    for (const folder of await bundledPackages(join(root, "dist", bundle))) folders.add(folder);
  const bundled = await Promise.all([...folders].sort().map((folder) => noticeOf(join(root, folder))));
  const carried = [
    `Node.js ${node.version} (MIT, with the licences of what it contains): dist/node/LICENSE`,
    `ONNX Runtime ${runtimeVersion} (MIT): dist/node_modules/onnxruntime-node/LICENSE and ThirdPartyNotices.txt`,
    `Dawn, in webgpu ${webgpuVersion} (BSD-3-Clause): dist/node_modules/webgpu/LICENSE.md, and what it carries beside it`,
  ];
  return `${[`Jakiro contains work of others.\n\n${carried.join("\n")}`, ...bundled].join(rule)}\n`;
}

async function bundledPackages(bundle) {
  let map;
  try {
    map = JSON.parse(await readFile(`${bundle}.map`, "utf8"));
  } catch {
    throw new PackagingError(
      `There is no source map of ${bundle} to tell what it contains; run \`npm run build\` first.`,
    );
  }
  return map.sources.flatMap((source) => {
    const [, folder] = /((?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(source) ?? [];
    return folder === undefined ? [] : [folder.replace(/^(\.\.\/)+/, "")];
  });
}

async function noticeOf(folder) {
  const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const files = (await readdir(folder)).filter((file) =>
    /^(licen[cs]e|notice|third-?party-?notices)(\.\w+)?$/i.test(file),
  );
  if (!files.some((file) => /^licen[cs]e/i.test(file))) {
    throw new PackagingError(`${name} ${version} is in a bundle and carries no licence text; it cannot be shipped so.`);
  }
  const texts = await Promise.all(files.sort().map((file) => readFile(join(folder, file), "utf8")));
  return `${name} ${version} (${license})\n\n${texts.map((text) => text.trim()).join("\n\n")}`;
}
