import { CostModel } from "./decoding/costModel.ts";
import type { Engine } from "./engine.ts";
import { type Expectation, expectFromHead, expectFromLookup } from "./expectations.ts";
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

/** Times of one forward, in ms, on this machine, measured when the model was loaded. */
export interface Costs {
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
export interface Diagnosis {
  readonly machine: Machine;
  readonly device: "cpu";
  /** Graphics adapters that could run a model here, and why there are none. */
  readonly adapters: { readonly usable: readonly string[]; readonly reason: string };
  readonly folders: { readonly models: string; readonly cache: string };
  readonly models: readonly FoundModel[];
  /** Null where no model is loaded. */
  readonly costs: Costs | null;
  readonly settings: Settings | null;
}

const typicalAcceptance = [0.3, 0.5, 0.7, 0.9];

/** @param engine what to tell the costs of */
export async function diagnose(engine: Engine | undefined): Promise<Diagnosis> {
  const costs = engine === undefined ? null : await costsOf(engine);
  return {
    machine: describeMachine(),
    device: "cpu",
    adapters: { usable: [], reason: "this version of Jakiro runs on the CPU alone and looks for no graphics adapter" },
    folders: { models: modelsDirectory(), cache: cacheDirectory() },
    models: await findModels(),
    costs,
    settings: costs === null ? null : settingsFrom(costs),
  };
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
  return { model: engine.modelName, loadMs: engine.loadMs, verify: engine.verifyCosts, draft };
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
