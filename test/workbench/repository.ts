import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The repository's folder, from wherever its built tests lie. */
export const repository = findUp(__dirname);

function findUp(folder: string): string {
  if (existsSync(join(folder, "esbuild.mjs"))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error(`${__dirname} is not inside the repository.`);
  return findUp(parent);
}
