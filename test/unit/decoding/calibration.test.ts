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
