import type { Costs, Diagnosis, FoundModel, Settings } from "../engine/diagnosis.ts";
import type { Expectation } from "../engine/expectations.ts";
import type { Profile } from "../engine/gpu/profile.ts";
import type { Machine } from "../engine/machine.ts";
import { defaultModelName } from "../engine/model/catalogue.ts";
import { formatTable } from "./table.ts";

/** The diagnosis for a person to read. */
export function doctorText(diagnosis: Diagnosis): string {
  const { machine, folders, models, costs, settings } = diagnosis;
  const sections = [
    section("Machine", machineRows(machine)),
    section("Device", deviceRows(diagnosis)),
    section("Models", [...models.map(modelRow), ["folder", folders.models], ["cache", folders.cache]]),
    ...(costs.length === 0 ? [missingModel()] : costs.map(costsSection)),
    ...(settings === null ? [] : [settingsSection(settings)]),
    ...diagnosis.profiles.map(profileSection),
  ];
  return sections.join("\n");
}

const deviceNames = { cpu: "processor", gpu: "GPU" } as const;

function deviceRows({ device, deviceReason, adapters }: Diagnosis): string[][] {
  const rows = adapters.map(({ name, backend, driver, abilities, reason }) => {
    const { f16, subgroups, timestamps } = abilities;
    const features = Object.entries({ f16, subgroups, timestamps }).flatMap(([key, has]) => (has ? [key] : []));
    return [
      "adapter",
      `${name} (${backend}, ${driver || "unknown driver"}; ${features.join(", ") || "core"}): ${reason}`,
    ];
  });
  return [["used", `${deviceNames[device]}: ${deviceReason}`], ...rows];
}

function section(title: string, rows: readonly (readonly string[])[]): string {
  return `${title}\n${indented(formatTable(rows))}`;
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}

function machineRows(machine: Machine): string[][] {
  const { features, threads, processors } = machine;
  const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);
  return [
    ["processor", `${machine.processor} (${machine.architecture}, ${machine.platform})`],
    ["features", features === undefined ? "not told by this system" : features.join(", ") || "none that help int8"],
    ["threads", `${threads} of ${processors} logical processors: one per physical core, at most 8`],
    ["memory", `${gigabytes(machine.memoryBytes)} GB, ${gigabytes(machine.freeMemoryBytes)} GB free`],
    ["runtime", `Node ${machine.node}, ONNX Runtime ${machine.onnxruntime}`],
  ];
}

function modelRow({ name, state, path, heads }: FoundModel): string[] {
  const where = { installed: path, partial: "partly fetched", absent: "not installed" }[state];
  return [name, `${where}; heads: ${heads.join(", ") || "none"}`];
}

function missingModel(): string {
  return `Costs\n  No model is installed, so nothing was measured; get one with \`jakiro models get ${defaultModelName}\`.\n`;
}

function costsSection({ device, model, loadMs, verify, draft }: Costs): string {
  const one = verify[0]!.ms;
  const rows = [
    ["rows", ...verify.map(({ rows }) => String(rows))],
    ["ms", ...verify.map(({ ms }) => ms.toFixed(1))],
    ["ratio", ...verify.map(({ ms }) => (ms / one).toFixed(2))],
  ];
  const drafts = draft.map(
    ({ head, firstMs, laterMs }) =>
      `  ${head} head: ${firstMs.toFixed(1)} ms a round's first draft forward, ${laterMs.toFixed(1)} ms each later one\n`,
  );
  const where = `${model} on the ${deviceNames[device]}`;
  const title = `Costs of ${where} (loaded in ${(loadMs / 1000).toFixed(1)} s), verification by rows`;
  return `${section(title, rows)}${drafts.join("")}`;
}

function settingsSection({ lookup, heads, suffixTokens, suffixMs }: Settings): string {
  const groups: (readonly [string, readonly Expectation[]])[] = [["lookup", lookup], ...Object.entries(heads)];
  const header = ["source", "acceptance", "nodes", "draft forwards", "tokens a round", "speed-up"];
  const rows = groups.flatMap(([source, expectations]) =>
    expectations.map((e) => [
      source,
      e.acceptance.toFixed(1),
      e.nodes === 1 ? "1 (plain)" : String(e.nodes),
      String(e.draftForwards),
      e.tokensPerRound.toFixed(2),
      `${e.speedup.toFixed(2)}x`,
    ]),
  );
  const title = "Settings that follow: the tree with the most expected tokens per millisecond, chosen anew every round";
  const suffix = `  suffix: ${suffixTokens} tokens after the cursor can be read anew within ${suffixMs} ms of a keystroke\n`;
  return `${section(title, [header, ...rows])}${suffix}`;
}

function profileSection({ head, rows, cached, kernels, onePassMs }: Profile): string {
  const sum = kernels.reduce((total, { ms }) => total + ms, 0);
  const parts = head === undefined ? [] : ["part"];
  const header = [...parts, "kernel", "workgroups", "dispatches", "ms", "share"];
  const table = kernels.map(({ phase, kernel, workgroups, dispatches, ms }) => [
    ...(phase === undefined ? [] : [phase]),
    kernel,
    workgroups.join(" x "),
    String(dispatches),
    ms.toFixed(3),
    `${((100 * ms) / sum).toFixed(0)} %`,
  ]);
  const subject = head === undefined ? "a forward" : `a round with the ${head} head that verifies a tree`;
  const title = `Profile of ${subject} of ${rows} ${rows === 1 ? "row" : "rows"} behind ${cached} tokens`;
  const times = `  ${onePassMs.toFixed(2)} ms in one pass, ${sum.toFixed(2)} ms kernel by kernel\n`;
  return `${section(title, [header, ...table])}${times}`;
}
