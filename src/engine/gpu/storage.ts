/** A storage buffer of 32-bit words that can be written, and copied from. */
export function storage(device: GPUDevice, label: string, words: number): GPUBuffer {
  const { STORAGE, COPY_DST, COPY_SRC } = GPUBufferUsage;
  return device.createBuffer({ label, size: words * 4, usage: STORAGE | COPY_DST | COPY_SRC });
}
