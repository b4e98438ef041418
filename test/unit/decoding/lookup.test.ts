import assert from "node:assert/strict";
import { acceptPath } from "../../../src/engine/decoding/acceptance.ts";
import { Calibration } from "../../../src/engine/decoding/calibration.ts";
import { LookupDrafter } from "../../../src/engine/decoding/lookup.ts";
import { uniform } from "../../../src/engine/decoding/random.ts";
import { chooseToken } from "../../../src/engine/decoding/sampling.ts";
import { DraftTree, draftSources, rootNode } from "../../../src/engine/decoding/tree.ts";
import { pathTo, toyLogits } from "./toyModel.ts";

/** Characters as tokens. */
const encode = (text: string) => Array.from(text, (character) => character.codePointAt(0)!);

function drafterOn(...texts: string[]): LookupDrafter {
  const drafter = new LookupDrafter(new Calibration());
  drafter.start(texts.map(encode));
  return drafter;
}

function chainOf(drafter: LookupDrafter, limit: number, leastProbability = 0): string {
  const tree = new DraftTree(0);
  const count = drafter.draft(tree, limit, leastProbability);
  assert.equal(tree.size, count + 1);
  let text = "";
  for (let node = tree.children(rootNode)[0]; node !== undefined; node = tree.children(node)[0]) {
    text += String.fromCodePoint(tree.token(node));
  }
  return text;
}

/** Number of verifications it takes to write `text`, drafting `limit` tokens each time. */
function roundsToWrite(
  drafter: LookupDrafter,
  calibration: Calibration,
  text: readonly number[],
  limit: number,
): number {
  const tree = new DraftTree(0);
  let rounds = 0;
  for (let written = 0; written < text.length; rounds++) {
    tree.reset(0);
    drafter.draft(tree, limit);
    const rows = tree.rerank(limit + 1);
    const accepted = acceptPath(rows, (_row, position) => text[position]!, written, { limit: text.length - written });
    calibration.settle(rows, accepted);
    for (const token of accepted.tokens) drafter.append(token);
    written += accepted.tokens.length;
  }
  return rounds;
}

describe("lookup", () => {
  const cases: [string, string[], number, string][] = [
    ["continues the longest match", ["abcdefXbcdYabc"], 4, "defX"],
    ["prefers the most recent of equal matches", ["ab1.ab2.ab"], 2, "2."],
    ["stops at the limit", ["abcdef.abc"], 2, "de"],
    ["repeats beyond the end what repeats itself", ["x-y-y-y"], 6, "-y-y-y"],
    ["finds nothing where nothing repeats", ["abcdef"], 4, ""],
    ["finds nothing in an empty prompt", [""], 4, ""],
    ["finds what stands in another text", ["hello world", "say hello"], 6, " world"],
    ["does not read over a text's end", ["say hello", "xhel"], 9, "lo"],
    ["does not match over a text's end", ["ab", "cd", "1bc"], 3, "d"],
  ];
  for (const [name, texts, limit, expected] of cases) {
    it(name, () => assert.equal(chainOf(drafterOn(...texts), limit), expected));
  }

  it("ends the chain where it has become unlikely", () => {
    const long = chainOf(drafterOn("abcdefghijkl.abc"), 9, 0.01);
    const short = chainOf(drafterOn("abcdefghijkl.abc"), 9, 0.2);
    assert.ok(short.length > 0 && short.length < long.length);
  });

  it("merges with what a head proposed and keeps the larger probability", () => {
    const tree = new DraftTree(0);
    const known = tree.add(rootNode, encode("d")[0]!, Math.log(0.01), draftSources.head);
    assert.ok(drafterOn("abcde.abc").draft(tree, 2) > 0);
    assert.equal(tree.sources(known), draftSources.head | draftSources.lookup);
    assert.ok(tree.value(known) > Math.log(0.3));
    assert.equal(tree.children(rootNode).length, 1);
  });

  it("goes on behind the previous match after an edit, not at the latest place that looks alike", () => {
    const ids = new Map<string, number>();
    const words = (text: string) => text.split(" ").map((word) => ids.get(word) ?? ids.set(word, ids.size).size - 1);
    const original = "total = price * count + tax ; return round total";
    const drafter = new LookupDrafter(new Calibration());
    drafter.start([words(`${original} log x + y ; log x + z ; total = price *`)]);
    const chain = (limit: number) => {
      const tree = new DraftTree(0);
      drafter.draft(tree, limit, 0);
      return [...tree.rerank(limit + 1).tokens].slice(1);
    };
    assert.deepEqual(chain(2), words("count +"));
    drafter.append(words("n")[0]!);
    assert.deepEqual(chain(3), words("+ tax ;"), "one token replaced");
    drafter.append(words("-")[0]!);
    drafter.append(words("m")[0]!);
    drafter.append(words("+")[0]!);
    assert.deepEqual(chain(3), words("tax ; return"), "three tokens in place of one");
  });

  it("writes an edited text in few rounds", () => {
    const original = Array.from({ length: 400 }, (_, i) => Math.floor(uniform(5, i) * 60));
    // One token replaced, three inserted, four left out.
    const edited = [
      ...original.slice(0, 100),
      99,
      ...original.slice(101, 200),
      97,
      98,
      96,
      ...original.slice(200, 300),
    ];
    edited.push(...original.slice(304));
    const calibration = new Calibration();
    const drafter = new LookupDrafter(calibration);
    drafter.start([[...original, 77]]);
    const rounds = roundsToWrite(drafter, calibration, edited, 15);
    assert.ok(rounds < 45, `${rounds} rounds for ${edited.length} tokens, 16 at most in each`);
  });

  it("lets go of a source that stopped coming true", () => {
    const drafter = drafterOn("abcdefghijklmnop.abcdef");
    assert.equal(chainOf(drafter, 2), "gh");
    for (const token of Array.from({ length: 200 }, (_, i) => 1000 + i)) drafter.append(token);
    assert.equal(chainOf(drafter, 2), "");
  });

  it("changes no text: retrieval with a toy model equals plain decoding", () => {
    const prompt = [0, 1, 2, 0, 1];
    for (let seed = 0; seed < 300; seed++) {
      const options = { temperature: 0.4, topK: 0, topP: 0.9, seed };
      // Only the last token counts, so that the text repeats itself and drafts are accepted.
      const choose = (context: readonly number[], position: number) =>
        chooseToken(toyLogits(context.slice(-1), 5, seed % 9), options, position);
      const plain = [...prompt];
      while (plain.length < 45) plain.push(choose(plain, plain.length));
      const calibration = new Calibration();
      const drafter = new LookupDrafter(calibration);
      drafter.start([prompt]);
      const text = [...prompt];
      while (text.length < 45) {
        const tree = new DraftTree(text.at(-1)!);
        drafter.draft(tree, 7);
        const rows = tree.rerank(8);
        const chooseAt = (row: number, position: number) => choose([...text, ...pathTo(rows, row)], position);
        const accepted = acceptPath(rows, chooseAt, text.length, { limit: 45 - text.length });
        calibration.settle(rows, accepted);
        for (const token of accepted.tokens) drafter.append(token);
        text.push(...accepted.tokens);
      }
      assert.deepEqual(text, plain);
    }
  });
});
