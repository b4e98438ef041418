import { storage } from "./storage.ts";

/** Keys and values of all sequences, [planes, slots, width] in 32-bit words. */
export interface KeyCache {
  readonly buffer: GPUBuffer;
  /** Keys of a layer, or its values. */
  readonly planes: number;
  readonly slots: number;
  readonly width: number;
}

/** Copies the keys and values of `count` slots from slot `from` on to those from `to` on, behind all that was submitted. */
export function copySlots(device: GPUDevice, cache: KeyCache, from: number, to: number, count: number): void {
  if (count === 0) return;
  const { buffer, planes, slots, width } = cache;
  const bytes = count * width * 4;
  // WebGPU copies nothing within one buffer.
  const between = storage(device, "keys and values on their way", count * width);
  const encoder = device.createCommandEncoder();
  for (let plane = 0; plane < planes; plane++) {
    const start = plane * slots;
    encoder.copyBufferToBuffer(buffer, (start + from) * width * 4, between, 0, bytes);
    encoder.copyBufferToBuffer(between, 0, buffer, (start + to) * width * 4, bytes);
  }
  device.queue.submit([encoder.finish()]);
  between.destroy();
}
