import assert from "node:assert/strict";
import { Calibration, headClaim, lookupClaim } from "../../../src/engine/decoding/calibration.ts";
import { uniform } from "../../../src/engine/decoding/random.ts";
import { DraftTree, draftSources, rootNode } from "../../../src/engine/decoding/tree.ts";

const { head, lookup } = draftSources;

describe("calibration", () => {
  it("believes a claim before anything is seen", () => {
    const calibration = new Calibration();
    for (const raw of [0.001, 0.2, 0.77, 0.999]) assert.equal(calibration.probability(headClaim(raw, 1)), raw);
  });

  it("expects more of longer matches, and something of every match", () => {
    for (const anchored of [false, true]) {
      for (let length = 1; length < 64; length++) {
        assert.ok(lookupClaim(length, anchored).raw >= lookupClaim(length - 1, anchored).raw);
        assert.ok(lookupClaim(length, anchored).raw > 0.1 && lookupClaim(length, anchored).raw < 1);
      }
    }
  });

  for (const [claimed, true_] of [
    [0.9, 0.6],
    [0.2, 0.5],
    [0.5, 0.5],
    [0.05, 0.01],
    [0.8, 1],
  ] as const) {
    it(`learns that a claim of ${claimed} comes true in ${true_} of the cases`, () => {
      const calibration = new Calibration();
      const claim = headClaim(claimed, 2);
      for (let i = 0; i < 600; i++) calibration.observe(claim, uniform(3, i) < true_);
      assert.ok(Math.abs(calibration.probability(claim) - true_) < 0.09);
      assert.equal(calibration.probability(headClaim(claimed, 3)), claimed, "other depths are not touched");
    });
  }

  it("is the mean of the Beta posterior around the claim", () => {
    const calibration = new Calibration();
    const claim = lookupClaim(4, false);
    calibration.observe(claim, true);
    assert.ok(Math.abs(calibration.probability(claim) - (12 * claim.raw + 1) / 13) < 1e-12);
  });

  it("keeps the order of claims within a bucket and stays inside 0 .. 1", () => {
    for (const accepted of [true, false]) {
      const calibration = new Calibration();
      for (let i = 0; i < 500; i++) calibration.observe(headClaim(0.6, 1), accepted);
      let previous = 0;
      for (const raw of [0.51, 0.55, 0.6, 0.65, 0.7]) {
        const probability = calibration.probability(headClaim(raw, 1));
        assert.ok(probability > previous && probability < 1);
        previous = probability;
      }
    }
  });

  it("forgets slowly: a source that changes is followed", () => {
    const calibration = new Calibration();
    const claim = headClaim(0.6, 1);
    for (let i = 0; i < 2000; i++) calibration.observe(claim, true);
    for (let i = 0; i < 600; i++) calibration.observe(claim, false);
    assert.ok(calibration.probability(claim) < 0.12);
  });

  it("observes every source of the verified nodes whose parent was reached, and nothing else", () => {
    const calibration = new Calibration();
    const tree = new DraftTree(9);
    const claims = {
      right: headClaim(0.6, 1),
      rightToo: lookupClaim(8, false),
      wrong: headClaim(0.2, 1),
      below: headClaim(0.6, 2),
      unreached: headClaim(0.2, 2),
      unverified: headClaim(0.02, 1),
    };
    const right = calibration.propose(tree, rootNode, 1, head, claims.right);
    assert.equal(calibration.propose(tree, rootNode, 1, lookup, claims.rightToo), right);
    const wrong = calibration.propose(tree, rootNode, 2, head, claims.wrong);
    calibration.propose(tree, right, 3, head, claims.below);
    calibration.propose(tree, wrong, 3, head, claims.unreached);
    calibration.propose(tree, rootNode, 4, head, claims.unverified);
    const rows = tree.rerank(5);
    assert.deepEqual([...rows.tokens], [9, 1, 2, 3, 3]);
    calibration.settle(rows, { path: [0, 1], tokens: [1, 7], ended: false });
    const moved = Object.entries(claims).map(([name, claim]) => [
      name,
      Math.sign(calibration.probability(claim) - claim.raw),
    ]);
    assert.deepEqual(Object.fromEntries(moved), {
      right: 1,
      rightToo: 1,
      wrong: -1,
      below: -1,
      unreached: 0,
      unverified: 0,
    });
    const before = calibration.snapshot();
    calibration.settle(rows, { path: [0, 1], tokens: [1, 7], ended: false });
    assert.deepEqual(calibration.snapshot(), before, "claims are settled once");
  });

  describe("where a head and retrieval propose below the same node", () => {
    const retrieved = lookupClaim(4, false);
    const likely = headClaim(0.6, 1);
    const unlikely = headClaim(0.1, 1);
    let calibration: Calibration;
    let tree: DraftTree;
    let found: number;
    const conditional = (node: number) => Math.exp(tree.value(node) - tree.value(tree.parent(node)));
    const assertNear = (node: number, expected: number) => assert.ok(Math.abs(conditional(node) - expected) < 1e-12);

    beforeEach(() => {
      calibration = new Calibration();
      tree = new DraftTree(9);
      found = calibration.propose(tree, rootNode, 1, lookup, retrieved);
    });

    it("mixes what they say: the text repeats itself, or the head is right", () => {
      const [same, other] = calibration.proposeCandidates(tree, rootNode, [
        { token: 1, claim: unlikely },
        { token: 2, claim: likely },
      ]);
      assert.equal(same, found);
      assert.equal(tree.sources(found), head | lookup);
      assertNear(found, retrieved.raw + (1 - retrieved.raw) * unlikely.raw);
      assertNear(other!, (1 - retrieved.raw) * likely.raw);
    });

    it("believes half of a retrieved token that the head does not think of, descendants included", () => {
      const below = calibration.propose(tree, found, 5, lookup, lookupClaim(5, false));
      const [other] = calibration.proposeCandidates(tree, rootNode, [{ token: 2, claim: likely }]);
      assertNear(found, retrieved.raw / 2);
      assertNear(other!, (1 - retrieved.raw / 2) * likely.raw);
      assertNear(below, lookupClaim(5, false).raw);
      assert.ok(tree.value(below) < tree.value(found), "the path is worth what its beginning is");
    });

    it("takes the word of the branch that confirms it, whichever comes first", () => {
      const confirming = [{ token: 1, claim: unlikely }];
      const silent = [{ token: 2, claim: likely }];
      for (const branches of [
        [confirming, silent],
        [silent, confirming],
      ]) {
        calibration = new Calibration();
        tree = new DraftTree(9);
        found = calibration.propose(tree, rootNode, 1, lookup, retrieved);
        for (const branch of branches) calibration.proposeCandidates(tree, rootNode, branch);
        assertNear(found, retrieved.raw + (1 - retrieved.raw) * unlikely.raw);
      }
    });

    it("learns of retrieval, and nothing of what the head is worth alone", () => {
      calibration.proposeCandidates(tree, rootNode, [{ token: 2, claim: likely }]);
      calibration.settle(tree.rerank(3), { path: [0], tokens: [1], ended: false });
      assert.ok(calibration.probability(retrieved) > retrieved.raw);
      assert.equal(calibration.probability(likely), likely.raw);
    });

    it("forgets it with the round", () => {
      calibration.settle(tree.rerank(2), { path: [0], tokens: [1], ended: false });
      tree.reset(1);
      const [alone] = calibration.proposeCandidates(tree, rootNode, [{ token: 2, claim: likely }]);
      assertNear(alone!, likely.raw);
    });
  });

  it("counts an end token that a child proposed as accepted", () => {
    const calibration = new Calibration();
    const tree = new DraftTree(9);
    const claim = headClaim(0.5, 1);
    calibration.propose(tree, rootNode, 3, head, claim);
    calibration.settle(tree.rerank(2), { path: [0], tokens: [3], ended: true });
    assert.ok(calibration.probability(claim) > 0.5);
  });

  it("returns to its initial state on reset", () => {
    const trained = new Calibration();
    for (let i = 0; i < 50; i++) trained.observe(headClaim(0.4, 1), true);
    const calibration = new Calibration(trained.snapshot());
    const expected = trained.probability(headClaim(0.4, 1));
    assert.equal(calibration.probability(headClaim(0.4, 1)), expected);
    for (let i = 0; i < 50; i++) calibration.observe(headClaim(0.4, 1), false);
    assert.ok(calibration.probability(headClaim(0.4, 1)) < expected);
    calibration.reset();
    assert.equal(calibration.probability(headClaim(0.4, 1)), expected);
  });

  it("tells by how much it moves a head's probabilities", () => {
    const calibration = new Calibration();
    for (let i = 0; i < 9; i++) calibration.observe(headClaim(0.4, 3), true);
    const offsets = calibration.headOffsets();
    const { cell, raw } = headClaim(0.42, 3);
    assert.equal(offsets[cell], Math.fround(calibration.probability({ cell, raw }) - raw));
    assert.ok(offsets[cell]! > 0.1);
    assert.equal(offsets.filter((offset) => offset !== 0).length, 1);
  });

  it("ignores an initial state made for other cells", () => {
    const calibration = new Calibration({ surplus: [1], trials: [1] });
    assert.equal(calibration.probability(headClaim(0.005, 1)), 0.005);
  });
});
