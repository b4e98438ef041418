import { type EngineAccess, engineWith } from "./engine.ts";
import type { Throughput } from "./throughput.ts";

/** The same engine; what its requests report goes into `throughput` on its way to whoever asked. */
export function meteredEngine(
  engine: EngineAccess,
  throughput: Throughput,
  now: () => number = Date.now,
): EngineAccess {
  return engineWith(engine, {
    async complete(params, token, onText) {
      const result = await engine.complete(params, token, onText);
      if (result) {
        throughput.record({ at: now(), statistics: result.statistics, awaited: params.priority === "typed" });
      }
      return result;
    },
    async generate(params, token, onText) {
      const result = await engine.generate(params, token, onText);
      // A generation is read while it grows, so its whole duration is no latency.
      if (result) throughput.record({ at: now(), statistics: result.statistics, awaited: false });
      return result;
    },
  });
}
