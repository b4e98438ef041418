import { homedir } from "node:os";
import { join } from "node:path";

/** The variables that decide; process.env is one. */
export interface CacheEnvironment {
  readonly JAKIRO_CACHE_DIR?: string | undefined;
  readonly JAKIRO_MODELS_DIR?: string | undefined;
  readonly XDG_CACHE_HOME?: string | undefined;
  readonly LOCALAPPDATA?: string | undefined;
}

/**
 * Where Jakiro keeps what it can make or fetch again: JAKIRO_CACHE_DIR, or "jakiro" in the platform's cache folder
 * (XDG_CACHE_HOME or ~/.cache, ~/Library/Caches on macOS, %LOCALAPPDATA% on Windows). Nothing is created here.
 */
export function cacheDirectory(environment: CacheEnvironment = process.env, platform = process.platform): string {
  return environment.JAKIRO_CACHE_DIR || join(platformCache(environment, platform), "jakiro");
}

/** Folder of the catalogue's model files: JAKIRO_MODELS_DIR, or "models" in the cache directory. */
export function modelsDirectory(environment: CacheEnvironment = process.env, platform = process.platform): string {
  return environment.JAKIRO_MODELS_DIR || join(cacheDirectory(environment, platform), "models");
}

function platformCache(environment: CacheEnvironment, platform: NodeJS.Platform): string {
  switch (platform) {
    case "win32":
      return environment.LOCALAPPDATA || join(homedir(), "AppData", "Local");
    case "darwin":
      return join(homedir(), "Library", "Caches");
    default:
      return environment.XDG_CACHE_HOME || join(homedir(), ".cache");
  }
}
