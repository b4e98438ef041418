import { diagnose, findModels } from "../engine/diagnosis.ts";
import type { Engine } from "../engine/engine.ts";
import { freshAdapters } from "../engine/gpu/adapterMemory.ts";
import { defaultModelName } from "../engine/model/catalogue.ts";
import type { DoctorOptions } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { doctorText } from "./doctorText.ts";
import { loadEngine } from "./engineOptions.ts";

export async function runDoctor(options: DoctorOptions, context: CommandContext): Promise<void> {
  const installed = (await findModels()).filter(({ state }) => state === "installed");
  const subject = installed.find(({ name }) => name === defaultModelName) ?? installed[0];
  // An earlier process may have found no GPU, which is what a user asks about who has just installed a driver.
  if (options.device !== "cpu") await freshAdapters().catch(() => undefined);
  let failure: unknown;
  const engine =
    subject === undefined
      ? undefined
      : await loadWhereAsked(subject.name, options, context).catch((error: unknown) => {
          // What runs here is worth knowing most where the model does not.
          failure = error;
          return undefined;
        });
  context.signal.throwIfAborted();
  const diagnosis = await diagnose(engine, options, options.profile);
  context.signal.throwIfAborted();
  if (options.profile && diagnosis.profiles.length === 0 && failure === undefined) context.note(whyUnprofiled(engine));
  context.print(options.json ? `${JSON.stringify(diagnosis, null, 2)}\n` : doctorText(diagnosis));
  if (failure !== undefined) throw failure;
}

/** The model where it would run: what another device costs is told where that one is asked for. */
function loadWhereAsked(model: string, { device, adapter }: DoctorOptions, context: CommandContext): Promise<Engine> {
  return loadEngine({ model, head: undefined, device, adapter, weights: "int8", kv: "float32" }, context);
}

function whyUnprofiled(engine: Engine | undefined): string {
  if (engine === undefined) return "Nothing was profiled: no model is installed.";
  return engine.device === "gpu"
    ? `Nothing was profiled: ${engine.adapter} has no clock that WebGPU can read.`
    : "Nothing was profiled: the model runs on the processor.";
}
