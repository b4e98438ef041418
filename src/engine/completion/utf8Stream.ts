/**
 * Bytes to text, piece by piece: a character whose last bytes have not come yet is held back, so that text once given out
 * never changes. Bytes that can never become a character turn into U+FFFD, as the WHATWG Encoding Standard has it.
 */
export class Utf8Stream {
  private readonly decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /** The characters that these bytes complete. What is still held back when a text ends was cut off: it is to be dropped. */
  push(bytes: Uint8Array): string {
    return this.decoder.decode(bytes, { stream: true });
  }
}
