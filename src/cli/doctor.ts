import { diagnose, findModels } from "../engine/diagnosis.ts";
import type { Engine } from "../engine/engine.ts";
import { defaultModelName } from "../engine/model/catalogue.ts";
import type { DoctorOptions } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { doctorText } from "./doctorText.ts";
import { loadEngine } from "./engineOptions.ts";

export async function runDoctor(options: DoctorOptions, context: CommandContext): Promise<void> {
  const installed = (await findModels()).filter(({ state }) => state === "installed");
  const subject = installed.find(({ name }) => name === defaultModelName) ?? installed[0];
  const engines = subject === undefined ? [] : await loadEverywhere(subject.name, options, context);
  const diagnosis = await diagnose(engines, options, options.profile);
  context.signal.throwIfAborted();
  if (options.profile && diagnosis.profiles.length === 0) context.note(whyUnprofiled(engines[0]));
  context.print(options.json ? `${JSON.stringify(diagnosis, null, 2)}\n` : doctorText(diagnosis));
}

/** The model where the options say, and on the processor beside a GPU: what each costs is worth comparing. */
async function loadEverywhere(
  model: string,
  { device, adapter }: DoctorOptions,
  context: CommandContext,
): Promise<Engine[]> {
  const load = (where: DoctorOptions["device"]) =>
    loadEngine({ model, head: undefined, device: where, adapter, weights: "int8" }, context);
  const first = await load(device);
  return first.device === "gpu" ? [first, await load("cpu")] : [first];
}

function whyUnprofiled(engine: Engine | undefined): string {
  if (engine === undefined) return "Nothing was profiled: no model is installed.";
  return engine.device === "gpu"
    ? `Nothing was profiled: ${engine.adapter} has no clock that WebGPU can read.`
    : "Nothing was profiled: the model runs on the processor.";
}
