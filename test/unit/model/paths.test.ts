import assert from "node:assert/strict";
import { homedir } from "node:os";
import { join } from "node:path";
import { type CacheEnvironment, cacheDirectory, modelsDirectory } from "../../../src/engine/model/paths.ts";

const home = homedir();

const cases: readonly (readonly [
  platform: NodeJS.Platform,
  environment: CacheEnvironment,
  cache: string,
  models: string,
])[] = [
  ["linux", {}, join(home, ".cache", "jakiro"), join(home, ".cache", "jakiro", "models")],
  ["linux", { XDG_CACHE_HOME: "/x" }, join("/x", "jakiro"), join("/x", "jakiro", "models")],
  ["linux", { XDG_CACHE_HOME: "" }, join(home, ".cache", "jakiro"), join(home, ".cache", "jakiro", "models")],
  [
    "darwin",
    { XDG_CACHE_HOME: "/x" },
    join(home, "Library", "Caches", "jakiro"),
    join(home, "Library", "Caches", "jakiro", "models"),
  ],
  ["win32", { LOCALAPPDATA: "/l" }, join("/l", "jakiro"), join("/l", "jakiro", "models")],
  ["linux", { JAKIRO_CACHE_DIR: "/c", XDG_CACHE_HOME: "/x" }, "/c", join("/c", "models")],
  ["win32", { JAKIRO_CACHE_DIR: "/c", LOCALAPPDATA: "/l" }, "/c", join("/c", "models")],
  ["linux", { JAKIRO_CACHE_DIR: "/c", JAKIRO_MODELS_DIR: "/m" }, "/c", "/m"],
];

describe("paths", () => {
  for (const [platform, environment, cache, models] of cases) {
    it(`on ${platform} with ${JSON.stringify(environment)}`, () => {
      assert.equal(cacheDirectory(environment, platform), cache);
      assert.equal(modelsDirectory(environment, platform), models);
    });
  }
});
