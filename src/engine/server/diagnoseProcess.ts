import type { EngineState, Priority } from "../../protocol/messages.ts";
import { type Diagnosis, diagnose } from "../diagnosis.ts";
import { withoutHomePaths } from "../privatePaths.ts";
import type { LoadedModel } from "./loadedModel.ts";
import type { ModelHost } from "./modelHost.ts";
import type { Requests } from "./requests.ts";

/** What `jakiro doctor --json` prints, and what this process is doing; paths below the home folder are shortened. */
export interface ProcessDiagnosis extends Diagnosis {
  readonly process: {
    readonly build: string;
    readonly processId: number;
    readonly upSeconds: number;
    readonly residentBytes: number;
    readonly connections: number;
    readonly state: EngineState;
    /** Forwards and drafts handed out since the start. */
    readonly turns: Readonly<Record<Priority, number>>;
  };
}

export async function diagnoseProcess({
  build,
  host,
  requests,
  connections,
}: {
  readonly build: string;
  readonly host: ModelHost<LoadedModel>;
  readonly requests: Requests;
  readonly connections: number;
}): Promise<Readonly<Record<string, unknown>>> {
  const own: ProcessDiagnosis["process"] = {
    build,
    processId: process.pid,
    upSeconds: Math.round(process.uptime()),
    residentBytes: process.memoryUsage.rss(),
    connections,
    state: host.state,
    turns: { ...requests.turns.granted },
  };
  const diagnosis: ProcessDiagnosis = { ...(await diagnose(host.loaded?.engine, host.deviceWish)), process: own };
  const shorten = (_: string, value: unknown) => (typeof value === "string" ? withoutHomePaths(value) : value);
  return JSON.parse(JSON.stringify(diagnosis, shorten));
}
