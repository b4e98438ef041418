import { homedir } from "node:os";
import { join } from "node:path";

/** What src/engine/model/paths.ts's `cacheDirectory` returns: scripts run without a build and cannot import it. */
export function cacheFolder(environment = process.env, platform = process.platform) {
  return environment.JAKIRO_CACHE_DIR || join(platformCache(environment, platform), "jakiro");
}

/** As `modelsDirectory` there. */
export function modelsFolder(environment = process.env, platform = process.platform) {
  return environment.JAKIRO_MODELS_DIR || join(cacheFolder(environment, platform), "models");
}

function platformCache(environment, platform) {
  switch (platform) {
    case "win32":
      return environment.LOCALAPPDATA || join(homedir(), "AppData", "Local");
    case "darwin":
      return join(homedir(), "Library", "Caches");
    default:
      return environment.XDG_CACHE_HOME || join(homedir(), ".cache");
  }
}
