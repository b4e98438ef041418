/** What the benchmarks use of the engine and the command line; engine.mjs bundles it. */

export { rotated } from "../src/cli/bench.ts";
export { median } from "../src/cli/benchReport.ts";
export { firstLineOf, infillingAccuracy, readProblems } from "../src/cli/evaluate.ts";
export { checkResultFile, writeResultFile } from "../src/cli/resultFile.ts";
export { promptOf, readSuite, spread } from "../src/cli/suite.ts";
export { formatMarkdownTable } from "../src/cli/table.ts";
export { completeDocument } from "../src/engine/complete.ts";
export { isQuantized } from "../src/engine/cpu/packMatrix.ts";
export { prefillRows } from "../src/engine/decoding/decoder.ts";
export { greedy } from "../src/engine/decoding/sampling.ts";
export { tau, tokensPerSecond } from "../src/engine/decoding/statistics.ts";
export { Engine } from "../src/engine/engine.ts";
export { listAdapters } from "../src/engine/gpu/adapterList.ts";
export { chooseAdapter } from "../src/engine/gpu/adapters.ts";
export { openDevice } from "../src/engine/gpu/device.ts";
export { GpuTarget } from "../src/engine/gpu/gpuTarget.ts";
export { KernelCompiler } from "../src/engine/gpu/kernels.ts";
export { PassTimer } from "../src/engine/gpu/passTimer.ts";
export { layOutForward, profileForward } from "../src/engine/gpu/profile.ts";
export { randomOperands } from "../src/engine/gpu/randomOperands.ts";
export { blocksFormat, ForwardKernels, inputWords } from "../src/engine/gpu/targetKernels.ts";
export { Trial } from "../src/engine/gpu/trial.ts";
export { describeMachine } from "../src/engine/machine.ts";
export { defaultModelName } from "../src/engine/model/catalogue.ts";
export { locateModel } from "../src/engine/model/installed.ts";
export { openCheckpoint } from "../src/engine/model/open.ts";
export { writeRandomHead } from "../test/engine/randomHead.ts";
