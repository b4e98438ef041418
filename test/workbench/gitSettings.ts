import { tmpdir } from "node:os";
import { join } from "node:path";

/** Keeps git from what the machine and its user have set: lists of files to ignore, signatures, hooks. */
export const noGitSettings = { GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: join(tmpdir(), "jakiro-no-git-settings") };
