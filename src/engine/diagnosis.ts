import { CostModel } from "./decoding/costModel.ts";
import { type DeviceDiagnosis, type DeviceWish, diagnoseDevices } from "./deviceDiagnosis.ts";
import type { Engine } from "./engine.ts";
import { type Expectation, expectFromHead, expectFromLookup } from "./expectations.ts";
import type { Profile } from "./gpu/profile.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { measuredCosts } from "./measure.ts";
import { type CatalogueModel, catalogue, shippedHeads } from "./model/catalogue.ts";
import type { HeadKind } from "./model/headKinds.ts";
import { installation } from "./model/installed.ts";
import { cacheDirectory, modelsDirectory } from "./model/paths.ts";
import { affordableSuffix, suffixMs } from "./suffixBudget.ts";

export interface FoundModel {
  readonly name: string;
  readonly state: "installed" | "partial" | "absent";
  readonly path: string;
  readonly heads: readonly HeadKind[];
}

/** Times of one forward, in ms, on one device of this machine, measured when the model was loaded. */
export interface Costs {
  readonly device: "cpu" | "gpu";
  readonly model: string;
  readonly loadMs: number;
  readonly verify: readonly { readonly rows: number; readonly ms: number }[];
  readonly draft: readonly { readonly head: HeadKind; readonly firstMs: number; readonly laterMs: number }[];
}

export interface Settings {
  /** What the budget chooses without a head, by how often retrieval is right. */
  readonly lookup: readonly Expectation[];
  /** What it chooses with each head. */
  readonly heads: Readonly<Partial<Record<HeadKind, readonly Expectation[]>>>;
  /** Tokens after the cursor that a keystroke's request can read anew within `suffixMs`. */
  readonly suffixTokens: number;
  readonly suffixMs: number;
}

/** What runs on this machine, what it costs, and which settings follow. */
export interface Diagnosis extends DeviceDiagnosis {
  readonly machine: Machine;
  readonly folders: { readonly models: string; readonly cache: string };
  readonly models: readonly FoundModel[];
  /** On the device that the model runs on; none where no model is loaded. */
  readonly costs: readonly Costs[];
  /** They follow from the costs of the device the model runs on. */
  readonly settings: Settings | null;
  /** Of a plain forward, a verification and a whole round on the GPU, where they were asked for and it has a clock. */
  readonly profiles: readonly Profile[];
}

const typicalAcceptance = [0.3, 0.5, 0.7, 0.9];

/** Rows of the forwards that are profiled, and of the round's tree, with the tokens before them. */
const treeRows = 16;
const profiledRows = [1, treeRows];
const profiledContext = 512;

/**
 * @param engine what to tell the costs of; undefined where no model is loaded
 * @param profiled whether its forwards and rounds are to be timed kernel by kernel
 */
export async function diagnose(engine: Engine | undefined, wish: DeviceWish, profiled = false): Promise<Diagnosis> {
  const costs = engine === undefined ? [] : [await costsOf(engine)];
  return {
    machine: describeMachine(),
    ...(await diagnoseDevices(engine, wish)),
    folders: { models: modelsDirectory(), cache: cacheDirectory() },
    models: await findModels(),
    costs,
    settings: costs[0] === undefined ? null : settingsFrom(costs[0]),
    profiles: profiled && engine !== undefined ? await profilesOf(engine) : [],
  };
}

/** The round is one that the head drafts which `auto` would take. */
async function profilesOf({ profiler, headKinds: [head], capacity }: Engine): Promise<Profile[]> {
  if (profiler === undefined) return [];
  const profiles: (Profile | undefined)[] = [];
  const cached = (rows: number) => Math.min(profiledContext, capacity - rows);
  for (const rows of profiledRows) profiles.push(await profiler.forward(rows, cached(rows)));
  // A round stands behind another one.
  if (head !== undefined) profiles.push(await profiler.round(head, treeRows, cached(2 * treeRows)));
  return profiles.filter((profile) => profile !== undefined);
}

/** The catalogue's models, as far as they are on this machine. */
export async function findModels(): Promise<FoundModel[]> {
  return await Promise.all(catalogue.map(findModel));
}

async function findModel(model: CatalogueModel): Promise<FoundModel> {
  const { state, path } = await installation(model);
  return { name: model.name, state, path, heads: shippedHeads(model) };
}

async function costsOf(engine: Engine): Promise<Costs> {
  const draft = await Promise.all(engine.headKinds.map((kind) => draftCost(engine, kind)));
  const { device, modelName: model, loadMs, verifyCosts: verify } = engine;
  return { device, model, loadMs, verify, draft };
}

async function draftCost(engine: Engine, head: HeadKind): Promise<Costs["draft"][number]> {
  const [firstMs = 0, laterMs = firstMs] = await engine.draftCosts(head);
  return { head, firstMs, laterMs };
}

function settingsFrom({ verify, draft }: Costs): Settings {
  const expect = (draftMs: readonly number[], from: typeof expectFromHead) => {
    const cost = new CostModel(measuredCosts(verify, draftMs));
    return typicalAcceptance.map((acceptance) => from(acceptance, cost));
  };
  return {
    lookup: expect([], expectFromLookup),
    heads: Object.fromEntries(
      draft.map(({ head, firstMs, laterMs }) => [head, expect([firstMs, laterMs], expectFromHead)]),
    ),
    suffixTokens: affordableSuffix(verify, suffixMs),
    suffixMs,
  };
}
