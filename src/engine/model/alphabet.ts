/** How a tokenizer's vocabulary entries spell text: the symbols that merging starts from, and the bytes that come back. */
export interface Alphabet {
  /** The word as the vocabulary would write it. */
  spell(word: string): string;
  /** The ids of the word's smallest symbols; what the vocabulary cannot spell at all is left out, as the references do. */
  symbols(word: string, id: (entry: string) => number | undefined): number[];
  /** The bytes an ordinary vocabulary entry stands for. */
  bytes(entry: string): Uint8Array;
}

/** GPT-2's: every byte is written as one printable character. */
export const byteLevelAlphabet: Alphabet = {
  spell: (word) => Array.from(utf8.encode(word), (byte) => characterOfByte[byte]!).join(""),
  symbols(word, id) {
    const ids: number[] = [];
    for (const byte of utf8.encode(word)) {
      const symbol = id(characterOfByte[byte]!);
      if (symbol !== undefined) ids.push(symbol);
    }
    return ids;
  },
  bytes(entry) {
    const bytes: number[] = [];
    for (const character of entry) {
      const byte = byteOfCharacter.get(character);
      if (byte === undefined) bytes.push(...utf8.encode(character));
      else bytes.push(byte);
    }
    return Uint8Array.from(bytes);
  },
};

/** SentencePiece's: characters stand for themselves, "▁" for a space, <0xNN> for the bytes of any other character. */
export const sentencePieceAlphabet: Alphabet = {
  spell: (word) => word,
  symbols(word, id) {
    const ids: number[] = [];
    for (const character of word) {
      const symbol = id(character);
      const spelled =
        symbol === undefined ? Array.from(utf8.encode(character), (byte) => id(byteEntry(byte))) : [symbol];
      for (const part of spelled) if (part !== undefined) ids.push(part);
    }
    return ids;
  },
  bytes(entry) {
    const byte = /^<0x([0-9A-F]{2})>$/.exec(entry)?.[1];
    return byte === undefined ? utf8.encode(entry.replaceAll("▁", " ")) : Uint8Array.of(Number.parseInt(byte, 16));
  },
};

function byteEntry(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

const utf8 = new TextEncoder();

const characterOfByte: readonly string[] = byteCharacters();
const byteOfCharacter: ReadonlyMap<string, number> = new Map(
  characterOfByte.map((character, byte) => [character, byte]),
);

/** Printable Latin-1 characters stand for themselves, the other bytes for U+0100 onwards in byte order. */
function byteCharacters(): string[] {
  let unprintable = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(printable ? byte : 0x100 + unprintable++);
  });
}
