import { CostModel } from "../engine/decoding/costModel.ts";
import type { Engine } from "../engine/engine.ts";
import { measuredCosts } from "../engine/measure.ts";
import { type CatalogueModel, catalogue, defaultModelName, shippedHeads } from "../engine/model/catalogue.ts";
import type { HeadKind } from "../engine/model/headKinds.ts";
import { installation } from "../engine/model/installed.ts";
import { cacheDirectory, modelsDirectory } from "../engine/model/paths.ts";
import { affordableSuffix } from "../engine/suffixBudget.ts";
import type { DoctorOptions } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { doctorText } from "./doctorText.ts";
import { loadEngine } from "./engineOptions.ts";
import { type Expectation, expectFromHead, expectFromLookup } from "./expectations.ts";
import { describeMachine, type Machine } from "./machine.ts";

export interface FoundModel {
  readonly name: string;
  readonly state: "installed" | "partial" | "absent";
  readonly path: string;
  readonly heads: readonly HeadKind[];
}

/** Times of one forward, in ms, on this machine now. */
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

export interface Diagnosis {
  readonly machine: Machine;
  readonly device: "cpu";
  /** Graphics adapters that could run a model here, and why there are none. */
  readonly adapters: { readonly usable: readonly string[]; readonly reason: string };
  readonly folders: { readonly models: string; readonly cache: string };
  readonly models: readonly FoundModel[];
  /** Null where no model is installed. */
  readonly costs: Costs | null;
  readonly settings: Settings | null;
}

const typicalAcceptance = [0.3, 0.5, 0.7, 0.9];
/** What reading the suffix may add to the wait for a completion. */
const suffixMs = 150;

export async function runDoctor({ json }: DoctorOptions, context: CommandContext): Promise<void> {
  const models = await Promise.all(catalogue.map(findModel));
  const installed = models.filter(({ state }) => state === "installed");
  const subject = installed.find(({ name }) => name === defaultModelName) ?? installed[0];
  const measured = subject === undefined ? undefined : await measure(subject.name, context);
  const diagnosis: Diagnosis = {
    machine: describeMachine(),
    device: "cpu",
    adapters: { usable: [], reason: "this version of Jakiro runs on the CPU alone and looks for no graphics adapter" },
    folders: { models: modelsDirectory(), cache: cacheDirectory() },
    models,
    costs: measured?.costs ?? null,
    settings: measured?.settings ?? null,
  };
  context.signal.throwIfAborted();
  context.print(json ? `${JSON.stringify(diagnosis, null, 2)}\n` : doctorText(diagnosis));
}

async function findModel(model: CatalogueModel): Promise<FoundModel> {
  const { state, path } = await installation(model);
  return { name: model.name, state, path, heads: shippedHeads(model) };
}

async function measure(model: string, context: CommandContext): Promise<{ costs: Costs; settings: Settings }> {
  const engine = await loadEngine({ model, head: undefined, device: "cpu", weights: "int8" }, context);
  const draft = await Promise.all(engine.headKinds.map((kind) => draftCost(engine, kind)));
  const expect = (draftMs: readonly number[], from: typeof expectFromHead) => {
    const cost = new CostModel(measuredCosts(engine.verifyCosts, draftMs));
    return typicalAcceptance.map((acceptance) => from(acceptance, cost));
  };
  return {
    costs: { model, loadMs: engine.loadMs, verify: engine.verifyCosts, draft },
    settings: {
      lookup: expect([], expectFromLookup),
      heads: Object.fromEntries(
        draft.map(({ head, firstMs, laterMs }) => [head, expect([firstMs, laterMs], expectFromHead)]),
      ),
      suffixTokens: affordableSuffix(engine.verifyCosts, suffixMs),
      suffixMs,
    },
  };
}

async function draftCost(engine: Engine, head: HeadKind): Promise<Costs["draft"][number]> {
  const [firstMs = 0, laterMs = firstMs] = await engine.draftCosts(head);
  return { head, firstMs, laterMs };
}
