import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

interface LockedPackage {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Whether Node would find the package from a folder of the tree: in its own node_modules or in one above it. */
function isLocked(packages: Readonly<Record<string, LockedPackage>>, from: string, name: string): boolean {
  const between = "/node_modules/";
  const nested = from.split(between);
  const above = nested.map((_, depth) => `${nested.slice(0, depth + 1).join(between)}/`);
  return ["", ...above].some((folder) => `${folder}node_modules/${name}` in packages);
}

describe("lock files", () => {
  for (const file of ["package-lock.json", "bench/package-lock.json"])
    it(`${file} has every platform's packages: npm ci takes no other`, () => {
      const { packages } = JSON.parse(readFileSync(file, "utf8")) as { packages: Record<string, LockedPackage> };
      for (const [from, { dependencies, optionalDependencies }] of Object.entries(packages))
        for (const name of Object.keys({ ...dependencies, ...optionalDependencies }))
          assert.ok(isLocked(packages, from, name), `${name}, which ${from || "the project"} depends on`);
    });
});
