/** Values of a kernel's `PARAMETER`s: they become WGSL constants, so that the compiler unrolls and folds by them. */
export type KernelConstants = Readonly<Record<string, number>>;

/** A compiled kernel. */
export interface Kernel {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly name: string;
  /** Of kernels that read kernels/going.wgsl: what lets them run whatever any round says. */
  readonly always?: GPUBindGroup;
}

/** One kernel with its buffers and its size, ready to be encoded again and again. */
export interface Dispatch {
  readonly kernel: Kernel;
  readonly bindings: GPUBindGroup;
  readonly workgroups: readonly [x: number, y?: number, z?: number];
}

const parameter = /^\/\/ PARAMETER (\w+): (u32|i32|f32)\b.*$/gm;
/** Language extensions, which must come before everything else. */
const extension = /^enable \w+;$/gm;
const binding = /^@group\(0\) @binding\((\d+)\) var<(storage, read_write|storage, read|uniform)>/gm;
/** That of kernels/going.wgsl. */
const switchBinding = /^@group\(1\) @binding\(0\) var<uniform>/m;

/** Told how many pipelines are compiled, of those that were asked for so far. */
export type CompilationListener = (done: number, total: number) => void;

interface Reports {
  readonly listener: CompilationListener;
  /** Pipelines that had been compiled when it began to listen. */
  readonly before: number;
  /** Pieces of work that it is told of. */
  works: number;
  /** What it was told last. */
  told: number;
}

/**
 * Compiles the kernels of `kernels/`: a source names its compile-time constants in lines `// PARAMETER NAME: type`, and its
 * bindings in group 0; the layout is read from the source, so that variants which leave a binding unused keep it.
 */
export class KernelCompiler {
  private readonly compiled = new Map<string, Promise<Kernel>>();
  private readonly switchLayout: GPUBindGroupLayout;
  private readonly always: GPUBindGroup;
  private finished = 0;
  private reports: Reports | undefined;

  /** @param lanes of a subgroup that kernels may rely on; 0 for kernels that use none */
  constructor(
    readonly device: GPUDevice,
    readonly lanes = 0,
  ) {
    const { UNIFORM, COPY_DST } = GPUBufferUsage;
    const entries = [{ binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: { type: "uniform" } }] as const;
    this.switchLayout = device.createBindGroupLayout({ label: "going", entries });
    const buffer = device.createBuffer({ label: "always going", size: 16, usage: UNIFORM | COPY_DST });
    device.queue.writeBuffer(buffer, 0, Uint32Array.of(1));
    this.always = this.switchedBy(buffer);
  }

  /** For `encode`: what lets kernels run only while `going` says so, a uniform buffer of 16 bytes. */
  switchedBy(going: GPUBuffer): GPUBindGroup {
    const entries = [{ binding: 0, resource: { buffer: going } }];
    return this.device.createBindGroup({ label: "going", layout: this.switchLayout, entries });
  }

  /** A kernel for these constants; the same ones are compiled once. Throws Error with the compiler's message. */
  compile(name: string, source: string, constants: KernelConstants = {}): Promise<Kernel> {
    const key = `${name} ${JSON.stringify(Object.entries(constants).sort())}`;
    let kernel = this.compiled.get(key);
    if (kernel === undefined) {
      kernel = this.build(name, specialize(name, source, constants));
      this.compiled.set(key, kernel);
      const count = () => {
        this.finished++;
        // Whoever waited for this one asks for the next before that.
        setImmediate(() => this.report());
      };
      kernel.then(count, () => undefined);
    }
    return kernel;
  }

  /**
   * Tells of the pipelines that are compiled while `work` goes on: how many are there, of those asked for since it began. Pieces of work
   * that overlap are told of together, to the first one's listener.
   */
  async reporting<Result>(listener: CompilationListener | undefined, work: () => Promise<Result>): Promise<Result> {
    if (listener === undefined) return await work();
    this.reports ??= { listener, before: this.finished, works: 0, told: 0 };
    const { reports } = this;
    reports.works++;
    try {
      return await work();
    } finally {
      this.report();
      if (--reports.works === 0) this.reports = undefined;
    }
  }

  private report(): void {
    const { reports, finished, compiled } = this;
    if (reports === undefined || finished === reports.told + reports.before) return;
    reports.told = finished - reports.before;
    reports.listener(reports.told, compiled.size - reports.before);
  }

  private async build(name: string, source: string): Promise<Kernel> {
    const { device } = this;
    const layout = device.createBindGroupLayout({ label: name, entries: bindingsOf(source) });
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ label: name, code: source });
    const invalid = await device.popErrorScope();
    if (invalid !== null) throw new Error(invalid.message);
    const isSwitched = switchBinding.test(source);
    const bindGroupLayouts = isSwitched ? [layout, this.switchLayout] : [layout];
    const pipeline = await device.createComputePipelineAsync({
      label: name,
      layout: device.createPipelineLayout({ bindGroupLayouts }),
      compute: { module },
    });
    return { pipeline, layout, name, ...(isSwitched && { always: this.always }) };
  }
}

/** The source behind its extensions and declarations of its constants. */
export function specialize(name: string, source: string, constants: KernelConstants): string {
  // Texts that are put together may share a parameter.
  const declared = new Map([...source.matchAll(parameter)].map(([, key, type]) => [key!, type!]));
  const unknown = Object.keys(constants).find((key) => !declared.has(key));
  if (unknown !== undefined) throw new Error(`kernel ${name} has no parameter ${unknown}`);
  const lines = Array.from(declared, ([key, type]) => {
    const value = constants[key];
    if (value === undefined) throw new Error(`kernel ${name} needs its parameter ${key}`);
    return `const ${key}: ${type} = ${type}(${value});`;
  });
  const extensions = source.match(extension) ?? [];
  return [...extensions, ...lines, source.replace(extension, "")].join("\n");
}

function bindingsOf(source: string): GPUBindGroupLayoutEntry[] {
  const types = { "storage, read_write": "storage", "storage, read": "read-only-storage", uniform: "uniform" } as const;
  return [...source.matchAll(binding)].map(([, number, kind]) => ({
    binding: Number(number),
    visibility: GPUShaderStage.COMPUTE,
    buffer: { type: types[kind as keyof typeof types] },
  }));
}

/** A buffer, or what lies in it behind an offset that the device can bind: a multiple of 256 bytes is. */
export type BufferPart = GPUBuffer | GPUBufferBinding;

/** A buffer's rows from `first` on; whole multiples of 64 rows lie where they can be bound, whatever their size. */
export function rowsFrom(buffer: GPUBuffer, first: number, wordsPerRow: number): BufferPart {
  return first === 0 ? buffer : { buffer, offset: first * wordsPerRow * 4 };
}

/** Binds buffers in the order of the kernel's bindings. */
export function bind(device: GPUDevice, kernel: Kernel, buffers: readonly BufferPart[]): GPUBindGroup {
  return device.createBindGroup({
    label: kernel.name,
    layout: kernel.layout,
    entries: buffers.map((buffer, index) => ({ binding: index, resource: "buffer" in buffer ? buffer : { buffer } })),
  });
}

/**
 * Encodes dispatches, in order, into a pass.
 * @param going of `KernelCompiler.switchedBy`; where absent they run whatever rounds say
 */
export function encode(pass: GPUComputePassEncoder, dispatches: readonly Dispatch[], going?: GPUBindGroup): void {
  let isSwitchSet = false;
  for (const { kernel, bindings, workgroups } of dispatches) {
    pass.setPipeline(kernel.pipeline);
    pass.setBindGroup(0, bindings);
    if (kernel.always !== undefined && !isSwitchSet) {
      pass.setBindGroup(1, going ?? kernel.always);
      isSwitchSet = true;
    }
    pass.dispatchWorkgroups(...workgroups);
  }
}

/** Encodes a pass of these dispatches. */
export function encodePass(encoder: GPUCommandEncoder, dispatches: readonly Dispatch[], going?: GPUBindGroup): void {
  const pass = encoder.beginComputePass();
  encode(pass, dispatches, going);
  pass.end();
}

/** An encoder that holds one pass of these dispatches. */
export function encoded(device: GPUDevice, dispatches: readonly Dispatch[]): GPUCommandEncoder {
  const encoder = device.createCommandEncoder();
  encodePass(encoder, dispatches);
  return encoder;
}

/** Bind groups by a kernel's bindings, one after the other. */
interface BoundUpTo {
  group?: GPUBindGroup;
  /** By buffer and offset. */
  readonly next: WeakMap<GPUBuffer, Map<number, BoundUpTo>>;
}

/** Bind groups are made once for each kernel and list of buffers, and forgotten with any of them. */
export class Binder {
  private readonly kernels = new WeakMap<Kernel, BoundUpTo>();

  constructor(private readonly device: GPUDevice) {}

  group(kernel: Kernel, buffers: readonly BufferPart[]): GPUBindGroup {
    let place = entry(this.kernels, kernel, nothingBound);
    for (const part of buffers) {
      const { buffer, offset = 0 } = "buffer" in part ? part : { buffer: part };
      const offsets = entry(place.next, buffer, () => new Map<number, BoundUpTo>());
      place = entry(offsets, offset, nothingBound);
    }
    place.group ??= bind(this.device, kernel, buffers);
    return place.group;
  }
}

function nothingBound(): BoundUpTo {
  return { next: new WeakMap() };
}

interface Entries<Key, Value> {
  get(key: Key): Value | undefined;
  set(key: Key, value: Value): unknown;
}

function entry<Key, Value>(map: Entries<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

/** Dispatches in the order in which they are added. */
export class DispatchList {
  readonly dispatches: Dispatch[] = [];

  constructor(private readonly binder: Binder) {}

  async add(
    kernel: Promise<Kernel>,
    buffers: readonly BufferPart[],
    ...workgroups: Dispatch["workgroups"]
  ): Promise<void> {
    const ready = await kernel;
    this.dispatches.push({ kernel: ready, bindings: this.binder.group(ready, buffers), workgroups });
  }
}
