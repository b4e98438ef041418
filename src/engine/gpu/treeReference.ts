import type { DraftTree } from "../decoding/tree.ts";
import { type DeviceRow, noSlot } from "./roundLayout.ts";

export interface ReferenceNode {
  readonly token: number;
  readonly parent: number;
  readonly depth: number;
  readonly value: number;
}

/** Where a sequence's rows lie. */
export interface Place {
  readonly sequence: number;
  readonly region: number;
  readonly capacity: number;
  readonly headRegion: number;
  readonly length: number;
}

/** One candidate: a target token and its natural logarithm of probability. */
export type Candidate = readonly [token: number, logProbability: number];

/** A head's row with the slots it sees behind the kept ones. */
export interface HeadRow extends Omit<DeviceRow, "path"> {
  readonly slots: readonly number[];
}

/** A sequence's draft tree, grown level by level in plain lists. */
export class ReferenceTree {
  readonly nodes: ReferenceNode[];
  /** Frontiers from the root's on, as node indices. */
  readonly frontiers: number[][] = [[0]];
  private readonly proposers = new Map<number, number>();
  private parentRows: number[] = [0];

  /** @param conditionalOf value that calibration gives a candidate at a depth */
  constructor(
    rootToken: number,
    private readonly branching: number,
    private readonly conditionalOf: (candidate: Candidate, depth: number) => number,
  ) {
    this.nodes = [{ token: rootToken, parent: -1, depth: 0, value: 0 }];
  }

  /** A tree that was made elsewhere, for `rerank` alone. */
  static of(tree: DraftTree): ReferenceTree {
    const reference = new ReferenceTree(tree.token(0), 1, () => 0);
    for (let node = 1; node < tree.size; node++) {
      const [token, parent, depth, value] = [tree.token(node), tree.parent(node), tree.depth(node), tree.value(node)];
      reference.nodes.push({ token, parent, depth, value });
    }
    return reference;
  }

  /** Children of the newest frontier, a list of candidates per frontier node and branch: [branch][node]. */
  grow(lists: readonly (readonly (readonly Candidate[])[])[]): void {
    const parents = this.frontiers.at(-1)!;
    const level = this.frontiers.length;
    const first = this.nodes.length;
    for (const [branch, ofBranch] of lists.entries()) {
      for (const [row, parent] of parents.entries()) {
        for (const candidate of ofBranch[row]!) {
          const others = lists.flatMap((list, i) => (i === branch ? [] : list[row]!.map((other) => ({ other, i }))));
          const rival = others.find(({ other }) => other[0] === candidate[0]);
          // The token's place is the first list's; the second one's stays empty.
          if (rival !== undefined && rival.i < branch) {
            this.nodes.push({ token: -1, parent: -1, depth: level, value: Number.NaN });
            continue;
          }
          const own = this.conditionalOf(candidate, level);
          const best = rival === undefined ? own : Math.max(own, this.conditionalOf(rival.other, level));
          if (rival !== undefined && rival.other[1] > candidate[1]) this.proposers.set(this.nodes.length, rival.i);
          else this.proposers.set(this.nodes.length, branch);
          const value = Math.fround(this.nodes[parent]!.value + best);
          this.nodes.push({ token: candidate[0], parent, depth: level, value });
        }
      }
    }
    const children = this.ranked().filter((node) => node >= first);
    const next = children.slice(0, this.branching);
    this.frontiers.push(next);
    this.parentRows = next.map((node) => parents.indexOf(this.nodes[node]!.parent));
  }

  /** Children of the newest frontier from the rows of its nodes' parents. */
  growParallel(rows: readonly (readonly Candidate[])[]): void {
    const parents = this.frontiers.at(-1)!;
    const level = this.frontiers.length;
    for (const [i, parent] of parents.entries()) {
      for (const candidate of rows[this.parentRows[i]!]!) {
        const value = Math.fround(this.nodes[parent]!.value + this.conditionalOf(candidate, level));
        this.nodes.push({ token: candidate[0], parent, depth: level, value });
      }
    }
  }

  get outIds(): readonly number[] {
    return this.parentRows;
  }

  /** Takes over values that differ from these by rounding alone, so that ties fall as they do there. */
  adopt(values: ArrayLike<number>): void {
    for (const [i, node] of this.nodes.entries()) {
      if (node.parent < 0) continue;
      if (Math.abs(values[i]! - node.value) > 1e-4) throw new Error(`node ${i}: ${values[i]} instead of ${node.value}`);
      this.nodes[i] = { ...node, value: values[i]! };
    }
  }

  /** The newest frontier as rows of the head's next forward; `frontierRows` are the rows per sequence of the last one. */
  headRows({ sequence, headRegion, length }: Place, sequences: number, frontierRows: number): HeadRow[] {
    const level = this.frontiers.length - 1;
    return this.frontiers[level]!.map((node, i) => {
      const slotOf = (ancestor: number): number => {
        const depth = this.nodes[ancestor]!.depth;
        return headRegion + length + (depth - 1) * this.branching + this.frontiers[depth]!.indexOf(ancestor);
      };
      const slots: number[] = [];
      for (let ancestor = node; ancestor > 0; ancestor = this.nodes[ancestor]!.parent) slots.unshift(slotOf(ancestor));
      return {
        token: this.nodes[node]!.token,
        position: length - 1 + level,
        region: headRegion,
        contiguous: length,
        slot: slots.at(-1)!,
        sequence,
        parent: (this.proposers.get(node)! * sequences + sequence) * frontierRows + this.parentRows[i]!,
        slots,
      };
    });
  }

  /** Node indices besides the root and empty places, best first, ties to the smaller index. */
  ranked(): number[] {
    const present = [...this.nodes.keys()].filter((node) => this.nodes[node]!.parent >= 0);
    return present.sort((a, b) => this.nodes[b]!.value - this.nodes[a]!.value || a - b);
  }
}

/** A row to verify with the slots it sees behind the committed ones. */
export interface VerificationRow extends Omit<DeviceRow, "path"> {
  readonly slots: readonly number[];
  readonly node: number;
}

/** The root and the `count` - 1 best nodes as rows, padding rows left out. */
export function rerank(tree: ReferenceTree, count: number, place: Place, rowsPerSequence: number): VerificationRow[] {
  const { sequence, region, capacity, length } = place;
  const wanted = Math.min(count, rowsPerSequence, capacity - length);
  const nodes = [0, ...tree.ranked().slice(0, wanted - 1)].sort((a, b) => a - b);
  return nodes.map((node, row) => {
    const { token, parent, depth } = tree.nodes[node]!;
    const slots: number[] = [];
    for (let up = node; up >= 0; up = tree.nodes[up]!.parent) slots.unshift(region + length + nodes.indexOf(up));
    return {
      token,
      position: length + depth,
      region,
      contiguous: length,
      slot: region + length + row,
      sequence,
      parent: parent < 0 ? -1 : sequence * rowsPerSequence + nodes.indexOf(parent),
      slots,
      node,
    };
  });
}

export function isPadding(row: DeviceRow): boolean {
  return row.slot === noSlot;
}
