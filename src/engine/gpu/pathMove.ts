import { mostRows } from "./forwardBuffers.ts";
import { bind, type Dispatch, type KernelCompiler } from "./kernels.ts";
import { type MovedCache, moveGroups, moveKernel } from "./roundKernels.ts";
import { encodePath, outcomeWords, type RoundShape } from "./roundLayout.ts";
import { storage } from "./storage.ts";

/** One sequence with room for the longest path of a forward. */
const shape: RoundShape = { sequences: 1, rows: 1, branching: 1, levels: mostRows - 1, branches: 1 };

/** Moves accepted keys and values as rounds do, for forwards that the host drives: it writes what a round's outcome would say. */
export class PathMove {
  private constructor(
    private readonly device: GPUDevice,
    private readonly outcome: GPUBuffer,
    /** Moves along the path that was written last. */
    readonly dispatch: Dispatch,
  ) {}

  static async create(compiler: KernelCompiler, buffer: GPUBuffer, cache: MovedCache): Promise<PathMove> {
    const { device } = compiler;
    const kernel = await moveKernel(compiler, shape, cache);
    const outcome = storage(device, "accepted path", outcomeWords(shape));
    const bindings = bind(device, kernel, [outcome, buffer]);
    return new PathMove(device, outcome, { kernel, bindings, workgroups: moveGroups(cache, shape) });
  }

  /** @param path rows of a forward whose first row has the KV slot `base`, each at or behind its place in the path */
  write(base: number, path: ArrayLike<number>): void {
    this.device.queue.writeBuffer(this.outcome, 0, encodePath(shape, base, path).buffer);
  }

  release(): void {
    this.outcome.destroy();
  }
}
