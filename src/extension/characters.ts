const joinsBackward = /^(?:\p{M}|\u200d)/u;

/** Whether cutting the text here would split a surrogate pair, a base from its combining mark, joined emoji or a line end. */
export function cutsCharacter(text: string, index: number): boolean {
  if (index <= 0 || index >= text.length) return false;
  const pair = isHighSurrogate(text.charCodeAt(index - 1)) && isLowSurrogate(text.charCodeAt(index));
  const lineEnd = text[index - 1] === "\r" && text[index] === "\n";
  return pair || lineEnd || text[index - 1] === "\u200d" || joinsBackward.test(text.slice(index, index + 2));
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
