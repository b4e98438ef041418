import { KernelCompiler } from "../../src/engine/gpu/kernels.ts";
import { Trial } from "../../src/engine/gpu/trial.ts";
import { openTestDevice } from "./testDevice.ts";

/** A trial on a device of its own. Fails where there is none, software adapters included. */
export class Rig extends Trial {
  readonly compiler = new KernelCompiler(this.device);

  static async open(): Promise<Rig> {
    return new Rig((await openTestDevice()).device);
  }

  close(): void {
    this.device.destroy();
  }
}
