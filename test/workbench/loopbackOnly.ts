import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "./repository.ts";
import { workbenchTools } from "./tools.ts";

export interface ConnectionAttempt {
  /** A host name that was looked up, or an address. */
  readonly where: string;
  /** The whole command line of the process. */
  readonly process: string;
}

/** Keeps programs on this machine and knows which of them tried to leave it, native code included. */
export class LoopbackOnly {
  /** Node, and all that it starts, kept on this machine: VS Code's server takes what is preloaded from its children's environment. */
  readonly node: string;
  private readonly log: string;

  /** Compiles what programs load before anything else. */
  constructor(scratch: string) {
    const library = join(scratch, "loopbackOnly.so");
    this.node = join(scratch, "node");
    this.log = join(scratch, "connections.log");
    const source = join(repository, "test", "workbench", "loopbackOnly.c");
    const { status, stderr, error } = spawnSync("cc", ["-shared", "-fPIC", "-o", library, source, "-ldl"]);
    if (status !== 0) throw new Error(`The tests need a C compiler: ${error?.message ?? stderr}`);
    const exec = `LD_PRELOAD='${library}' JAKIRO_TEST_CONNECTIONS='${this.log}' exec '${workbenchTools().node}' "$@"`;
    writeFileSync(this.node, `#!/bin/sh\n${exec}\n`, { mode: 0o755 });
  }

  /** So far, oldest first. */
  get attempts(): readonly ConnectionAttempt[] {
    if (!existsSync(this.log)) return [];
    const lines = readFileSync(this.log, "utf8").trimEnd().split("\n");
    return lines.map((line) => {
      const [where = "", process = ""] = line.split("\t");
      return { where, process };
    });
  }
}
