import assert from "node:assert/strict";
import { uniform } from "../../../src/engine/decoding/random.ts";
import { DraftTree, draftSources, maximumRows, rootNode } from "../../../src/engine/decoding/tree.ts";
import { JakiroError } from "../../../src/engine/errors.ts";

const { head, lookup } = draftSources;

/** A tree of hashed shape; a third of the conditionals are ties, some are certain. */
function randomTree(nodes: number, salt: number): DraftTree {
  const tree = new DraftTree(1, 4);
  for (let i = 0; i < nodes; i++) {
    const parent = Math.floor(uniform(salt, 3 * i) * tree.size);
    const conditional = Math.ceil(uniform(salt, 3 * i + 1) * 8) / 8;
    tree.add(parent, Math.floor(uniform(salt, 3 * i + 2) * 5), Math.log(conditional), i % 2 ? head : lookup);
  }
  return tree;
}

describe("tree", () => {
  it("keeps tokens, parents, depths, values and children", () => {
    const tree = new DraftTree(7);
    const a = tree.add(rootNode, 3, Math.log(0.5), head);
    const b = tree.add(rootNode, 4, Math.log(0.25), head);
    const c = tree.add(a, 3, Math.log(0.5), head);
    assert.deepEqual([tree.token(c), tree.parent(c), tree.depth(c), tree.size], [3, a, 2, 4]);
    assert.ok(Math.abs(tree.value(c) - Math.log(0.25)) < 1e-15);
    assert.deepEqual([tree.children(rootNode), tree.children(a), tree.children(b)], [[a, b], [c], []]);
    assert.deepEqual([tree.find(rootNode, 4), tree.find(rootNode, 9)], [b, -1]);
    tree.reset(8);
    assert.deepEqual([tree.size, tree.token(rootNode), tree.children(rootNode)], [1, 8, []]);
  });

  it("merges proposals of the same token, keeps the larger probability and lifts the descendants", () => {
    const tree = new DraftTree(7);
    const a = tree.add(rootNode, 3, Math.log(0.25), lookup);
    const below = tree.add(a, 5, Math.log(0.5), lookup);
    const other = tree.add(rootNode, 6, Math.log(0.3), head);
    assert.equal(tree.add(rootNode, 3, Math.log(0.75), head), a);
    assert.equal(tree.sources(a), head | lookup);
    assert.ok(Math.abs(Math.exp(tree.value(below)) - 0.375) < 1e-15);
    assert.equal(tree.add(rootNode, 3, Math.log(0.1), lookup), a);
    assert.ok(Math.abs(Math.exp(tree.value(a)) - 0.75) < 1e-15);
    assert.ok(Math.abs(Math.exp(tree.value(other)) - 0.3) < 1e-15);
    assert.equal(tree.size, 4);
  });

  it("takes another probability of a node, and passes it on to the descendants", () => {
    const tree = new DraftTree(7);
    const a = tree.add(rootNode, 3, Math.log(0.5), lookup);
    const below = tree.add(a, 5, Math.log(0.5), lookup);
    const other = tree.add(rootNode, 6, Math.log(0.3), head);
    tree.restate(a, Math.log(0.125));
    assert.ok(Math.abs(Math.exp(tree.value(below)) - 0.0625) < 1e-12);
    assert.deepEqual([...tree.ranking()], [other, a, below]);
    tree.restate(a, 1);
    assert.equal(tree.value(a), 0);
  });

  it("never lets a child be worth more than its parent", () => {
    const tree = new DraftTree(7);
    const a = tree.add(rootNode, 1, Math.log(0.5), head);
    assert.equal(tree.value(tree.add(a, 1, 0.3, head)), tree.value(a));
    assert.equal(tree.value(tree.add(a, 2, Number.NaN, head)), Number.NEGATIVE_INFINITY);
  });

  it("reranks to the best nodes, ties to the smaller index, parents before children", () => {
    for (let salt = 0; salt < 200; salt++) {
      const tree = randomTree(60, salt);
      const order = Array.from({ length: tree.size - 1 }, (_, i) => i + 1).sort(
        (a, b) => tree.value(b) - tree.value(a) || a - b,
      );
      assert.deepEqual([...tree.ranking()], order);
      for (const count of [1, 2, 5, 17, 60, 200]) {
        const { tokens, parents, nodes } = tree.rerank(count);
        assert.deepEqual(
          [...nodes],
          [0, ...order.slice(0, count - 1)].sort((a, b) => a - b),
        );
        nodes.forEach((node, row) => {
          assert.equal(tokens[row], tree.token(node));
          assert.ok(parents[row]! < row);
          assert.equal(row === 0 ? -1 : nodes[parents[row]!], tree.parent(node));
        });
      }
    }
  });

  it("gives path probabilities that fall along the ranking", () => {
    const tree = randomTree(40, 3);
    const values = tree.probabilities(tree.ranking());
    values.forEach((value, i) => {
      assert.ok(value > 0 && value <= (values[i - 1] ?? 1));
    });
  });

  it("selects the next frontier over all sources and says from which row each node came", () => {
    const tree = new DraftTree(7);
    const a = tree.add(rootNode, 1, Math.log(0.6), head);
    const b = tree.add(rootNode, 2, Math.log(0.4), head);
    const a1 = tree.add(a, 1, Math.log(0.1), head);
    const b1 = tree.add(b, 1, Math.log(0.9), head);
    const b2 = tree.add(b, 2, Math.log(0.15), lookup);
    const first = tree.nextFrontier([rootNode], 2);
    assert.deepEqual(
      [[...first.nodes], [...first.parentRows]],
      [
        [a, b],
        [0, 0],
      ],
    );
    const next = tree.nextFrontier(first.nodes, 3);
    // 0.36 and a tie of two at 0.06, of which the earlier one comes first.
    assert.deepEqual(
      [[...next.nodes], [...next.parentRows]],
      [
        [b1, a1, b2],
        [1, 0, 1],
      ],
    );
    assert.deepEqual([...tree.nextFrontier(next.nodes, 3).nodes], []);
  });

  it("ranks the tied pair of the frontier by value before index", () => {
    const tree = new DraftTree(7);
    const a = tree.add(rootNode, 1, Math.log(0.2), head);
    const b = tree.add(rootNode, 2, Math.log(0.8), head);
    assert.deepEqual([...tree.nextFrontier([rootNode], 5).nodes], [b, a]);
  });

  it("expands only nodes that are likely enough", () => {
    const tree = new DraftTree(7);
    const a = tree.add(rootNode, 1, Math.log(0.2), head);
    const b = tree.add(rootNode, 2, Math.log(0.5), head);
    tree.add(rootNode, 3, Math.log(0.1), head);
    assert.deepEqual([...tree.nextFrontier([rootNode], 5, 0.15).nodes], [b, a]);
    assert.deepEqual([...tree.nextFrontier([rootNode], 1, 0.15).nodes], [b]);
    assert.deepEqual([...tree.nextFrontier([rootNode], 5, 0.6).nodes], []);
  });

  it("refuses to verify more rows than a mask holds", () => {
    assert.throws(() => new DraftTree(0).rerank(maximumRows + 1), JakiroError);
    assert.throws(() => new DraftTree(0).rerank(0), JakiroError);
  });
});
