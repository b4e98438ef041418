import { homedir } from "node:os";

/**
 * Replaces every path below a home directory by "~/…", since folder and file names there tell what somebody works on. What ends
 * a path inside a sentence cannot be known, so that everything up to the next quote, bracket, comma or line end goes with it.
 */
export function withoutHomePaths(text: string, homes: readonly string[] = [homedir()]): string {
  return homes
    .flatMap(spellings)
    .reduce((cleaned, home) => cleaned.replace(new RegExp(`${home}(?![\\w.-])[^\\n"'\`()<>,;|]*`, "gi"), "~/…"), text);
}

/** As it is, with the other separator or doubled backslashes (JSON), and as in a file URI. */
function spellings(home: string): string[] {
  const trimmed = home.replace(/[\\/]+$/, "");
  // A home of "/" or a drive alone would take every path away.
  if (trimmed.length < 3) return [];
  const plain = escapeRegExp(trimmed).replace(/\\\\|\//g, "[\\\\/]+");
  const uri = escapeRegExp(encodeURI(trimmed.replace(/\\/g, "/")));
  return [plain, uri];
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** Addresses keep their host, and lose what may be a password. */
export function withoutCredentials(text: string): string {
  return text.replace(/(\w+:\/\/)[^\s/@]+@/g, "$1…@").replace(/(https?:\/\/[^\s?"']+)\?[^\s"']*/g, "$1?…");
}
