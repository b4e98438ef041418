import { readFileSync } from "node:fs";

/**
 * Platforms by VS Code's names (platforms.json): what of onnxruntime-node and webgpu each needs, and which Node.js runs its engine. `integrity`
 * is the SHA-512 of the npm package as the registry states it. Versions differ because npm has not every platform in every
 * version: the newest release of the newest maintained line is pinned. Packages without Node.js's licence name the platform
 * (`licenceOf`) whose package of the same version has it. There is no darwin-x64: onnxruntime-node has no binary for it.
 */
export default JSON.parse(readFileSync(new URL("platforms.json", import.meta.url), "utf8"));
