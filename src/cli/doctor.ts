import { diagnose, findModels } from "../engine/diagnosis.ts";
import { defaultModelName } from "../engine/model/catalogue.ts";
import type { DoctorOptions } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { doctorText } from "./doctorText.ts";
import { loadEngine } from "./engineOptions.ts";

export async function runDoctor({ device, adapter, json }: DoctorOptions, context: CommandContext): Promise<void> {
  const installed = (await findModels()).filter(({ state }) => state === "installed");
  const subject = installed.find(({ name }) => name === defaultModelName) ?? installed[0];
  const engine =
    subject === undefined
      ? undefined
      : await loadEngine({ model: subject.name, head: undefined, device, adapter, weights: "int8" }, context);
  const diagnosis = await diagnose(engine);
  context.signal.throwIfAborted();
  context.print(json ? `${JSON.stringify(diagnosis, null, 2)}\n` : doctorText(diagnosis));
}
