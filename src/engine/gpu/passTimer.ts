import type { GpuDevice } from "./device.ts";
import { type Dispatch, encode } from "./kernels.ts";

/** Passes that are timed in one submission: a query set holds 4096 timestamps. */
const passesAtATime = 2048;
const timestampBytes = 8;

/** Times compute passes by the device's own clock. */
export class PassTimer {
  private constructor(private readonly device: GPUDevice) {}

  /** Undefined where the device has no timestamps. */
  static on({ device, abilities }: GpuDevice): PassTimer | undefined {
    return abilities.timestamps ? new PassTimer(device) : undefined;
  }

  /** Runs each list of dispatches as a pass of its own, in order; milliseconds of each. */
  async time(passes: readonly (readonly Dispatch[])[]): Promise<number[]> {
    const times: number[] = [];
    for (let first = 0; first < passes.length; first += passesAtATime) {
      times.push(...(await this.timeSome(passes.slice(first, first + passesAtATime))));
    }
    return times;
  }

  private async timeSome(passes: readonly (readonly Dispatch[])[]): Promise<number[]> {
    const { device } = this;
    const count = 2 * passes.length;
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    const querySet = device.createQuerySet({ type: "timestamp", count });
    const resolved = device.createBuffer({ size: count * timestampBytes, usage: QUERY_RESOLVE | COPY_SRC });
    const staging = device.createBuffer({ size: count * timestampBytes, usage: MAP_READ | COPY_DST });
    try {
      const encoder = device.createCommandEncoder();
      for (const [index, dispatches] of passes.entries()) {
        const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * index, endOfPassWriteIndex: 2 * index + 1 };
        const pass = encoder.beginComputePass({ timestampWrites });
        encode(pass, dispatches);
        pass.end();
      }
      encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, count * timestampBytes);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      const nanoseconds = new BigUint64Array(staging.getMappedRange());
      // Clocks of some drivers are set back now and then.
      return Array.from(passes, (_, i) => Math.max(0, Number(nanoseconds[2 * i + 1]! - nanoseconds[2 * i]!) / 1e6));
    } finally {
      staging.destroy();
      resolved.destroy();
      querySet.destroy();
    }
  }
}
