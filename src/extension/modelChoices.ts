import { basename } from "node:path";
import type { CatalogueModel } from "../engine/model/catalogue.ts";
import type { Inspection } from "../engine/model/inspect.ts";
import { aboutMemory } from "./memoryNeed.ts";

/** A model file or folder that is on this machine and not the catalogue's. */
export interface LocalModel {
  readonly path: string;
  readonly name: string;
  /** The program that keeps it; undefined where the user added it. */
  readonly place: string | undefined;
  readonly bytes: number;
  readonly inspection: Inspection;
}

export interface KnownModel {
  readonly model: CatalogueModel;
  readonly state: "installed" | "partial" | "absent";
  /** Bytes of a begun download. */
  readonly received: number;
  /** Where another program keeps a file of exactly this size, to be taken over once its hash is right. */
  readonly copyIn: string | undefined;
  /** It lies in Jakiro's own package. */
  readonly packaged: boolean;
  readonly head: boolean;
  /** Undefined until the file is there. */
  readonly weights: number | undefined;
}

/** Everything there is to choose from, as found on this machine. */
export interface Inventory {
  readonly known: readonly KnownModel[];
  readonly local: readonly LocalModel[];
  /** Plain tokens per second by model name, measured when it was last loaded here. */
  readonly speeds: Readonly<Record<string, number>>;
  readonly memoryBytes: number;
  /** The setting: a catalogue name or a path; "" while nothing was chosen. */
  readonly current: string;
}

export interface Speed {
  /** Of plain decoding: what drafting adds depends on the text. */
  readonly tokensPerSecond: number;
  /** Otherwise estimated from one that was. */
  readonly measured: boolean;
}

export interface ModelChoice {
  /** What the setting says where this is chosen. */
  readonly id: string;
  readonly name: string;
  readonly where: "installed" | "packaged" | "copy" | "partial" | "absent" | "local";
  /** The catalogue's entry; undefined for other files. */
  readonly model: CatalogueModel | undefined;
  /** Where a local file or a copy was found; undefined for what the user added. */
  readonly place: string | undefined;
  readonly bytes: number;
  readonly received: number;
  /** About what running it takes, in bytes; undefined where it cannot run. */
  readonly memoryBytes: number | undefined;
  readonly speed: Speed | undefined;
  /** A trained Jakiro head drafts for it. */
  readonly head: boolean;
  /** Why it cannot be used, in one sentence. */
  readonly fault: string | undefined;
  readonly current: boolean;
  readonly recommended: boolean;
}

/** What to offer: the recommended one first, then what is here, then what would have to be fetched, then what cannot run. */
export function modelChoices(inventory: Inventory): ModelChoice[] {
  const candidates = [
    ...inventory.known.map((known) => knownCandidate(known, inventory)),
    ...inventory.local.map((local) => localCandidate(local, inventory)),
  ];
  const reference = candidates.find(({ current, plain }) => current && plain) ?? candidates.find(({ plain }) => plain);
  const choices = candidates.map(({ plain, weights, ...choice }) => ({
    ...choice,
    speed: speedOf(plain, weights, choice, reference),
    recommended: false,
  }));
  const best = recommended(choices, inventory.memoryBytes);
  return choices
    .map((choice) => ({ ...choice, recommended: choice === best }))
    .sort((a, b) => rank(a) - rank(b) || b.bytes - a.bytes);
}

type Candidate = Omit<ModelChoice, "speed" | "recommended"> & {
  readonly plain: number | undefined;
  readonly weights: number | undefined;
};

function knownCandidate(known: KnownModel, { speeds, current }: Inventory): Candidate {
  const { model, state, received, copyIn, packaged, head, weights } = known;
  const elsewhere = packaged ? "packaged" : copyIn !== undefined ? "copy" : state;
  return {
    id: model.name,
    name: model.name,
    where: state === "installed" ? state : elsewhere,
    model,
    place: copyIn,
    bytes: model.bytes,
    received,
    memoryBytes: model.memoryBytes,
    head,
    fault: undefined,
    current: current.toLowerCase() === model.name.toLowerCase(),
    plain: speeds[model.name],
    weights,
  };
}

function localCandidate(
  { path, name, place, bytes, inspection }: LocalModel,
  { speeds, current }: Inventory,
): Candidate {
  return {
    id: path,
    name,
    where: "local",
    model: undefined,
    place,
    bytes,
    received: bytes,
    memoryBytes: inspection.usable ? aboutMemory(inspection.weights) : undefined,
    head: false,
    fault: inspection.usable ? undefined : inspection.reason,
    current: current === path,
    plain: speeds[basename(path)],
    weights: inspection.usable ? inspection.weights : undefined,
  };
}

/** A forward reads every weight once, so its time goes with their number; files stand in where that is not known. */
function speedOf(
  plain: number | undefined,
  weights: number | undefined,
  { bytes, fault }: Pick<ModelChoice, "bytes" | "fault">,
  reference: Candidate | undefined,
): Speed | undefined {
  if (fault !== undefined) return undefined;
  if (plain !== undefined) return { tokensPerSecond: plain, measured: true };
  if (reference?.plain === undefined) return undefined;
  const ratio =
    weights !== undefined && reference.weights !== undefined ? reference.weights / weights : reference.bytes / bytes;
  return { tokensPerSecond: reference.plain * ratio, measured: false };
}

/** The editor and the user's other programs need the rest. */
const memoryShare = 0.5;
/** Plain decoding below this is too slow to wait for while typing. */
const leastTokensPerSecond = 8;

/** The largest catalogue model with a head that fits and is fast enough; the smallest one where none is. */
function recommended<Choice extends ModelChoice>(choices: readonly Choice[], memoryBytes: number): Choice | undefined {
  const tested = choices.filter(({ model }) => model !== undefined).toSorted((a, b) => b.bytes - a.bytes);
  const fitting = tested.filter(
    (choice) =>
      (choice.memoryBytes ?? 0) <= memoryBytes * memoryShare &&
      (choice.speed?.tokensPerSecond ?? leastTokensPerSecond) >= leastTokensPerSecond,
  );
  return fitting.find(({ head }) => head) ?? fitting[0] ?? tested.at(-1);
}

const ranks = { installed: 1, packaged: 1, copy: 2, local: 3, partial: 4, absent: 4 } as const;

function rank(choice: ModelChoice): number {
  if (choice.fault !== undefined) return 5;
  return choice.recommended ? 0 : ranks[choice.where];
}
