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

/** Numbers in [0, 1) that one seed fixes. */
export function randomSource(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 12), 0x297a2d39);
    mixed ^= mixed >>> 15;
    return (mixed >>> 0) / 2 ** 32;
  };
}

/** Different integers in 0 .. limit - 1. */
export function distinct(random: () => number, count: number, limit: number): number[] {
  const found = new Set<number>();
  while (found.size < count) found.add(Math.floor(random() * limit));
  return [...found];
}
