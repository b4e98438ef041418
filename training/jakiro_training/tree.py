"""Reference draft rounds in PyTorch: jakiro.md section 2, written for plainness, and sharing nothing with the engine.

A tree's nodes are listed in the order they are proposed: level by level, within a level first branch before second,
then by the parent's place in the frontier, then by rank. Node 0 is the root, the last committed token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .head import DraftHead, DraftOutput, rotary_tables


@dataclass
class Tree:
    """parents[i] < i, -1 for the root; values are sums of conditional log-probabilities along the path, 0 for the
    root."""

    tokens: list[int]
    parents: list[int] = field(default_factory=lambda: [-1])
    values: list[float] = field(default_factory=lambda: [0.0])

    def add(self, parent: int, token: int, log_probability: float) -> int:
        """Adds a child; one already there keeps the larger value."""
        value = self.values[parent] + log_probability
        for node in range(parent + 1, len(self.tokens)):
            if self.parents[node] == parent and self.tokens[node] == token:
                self.values[node] = max(self.values[node], value)
                return node
        self.tokens.append(token)
        self.parents.append(parent)
        self.values.append(value)
        return len(self.tokens) - 1

    def best(self, nodes: list[int], count: int) -> list[int]:
        """The `count` nodes of largest value, best first, ties to the smaller index."""
        return sorted(nodes, key=lambda n: (-self.values[n], n))[:count]

    def rerank(self, nodes: int) -> Tree:
        """The root and the `nodes` - 1 best others, in their old order: parents precede children."""
        kept = [0, *sorted(self.best(list(range(1, len(self.tokens))), nodes - 1))]
        place = {node: i for i, node in enumerate(kept)}
        return Tree(
            [self.tokens[n] for n in kept],
            [place.get(self.parents[n], -1) for n in kept],
            [self.values[n] for n in kept],
        )

    def accepted(self, continuation: list[int]) -> list[int]:
        """Nodes along the continuation, as far as the tree follows it."""
        path, node = [], 0
        for token in continuation:
            node = next(
                (n for n in range(node + 1, len(self.tokens)) if self.parents[n] == node and self.tokens[n] == token),
                -1,
            )
            if node < 0:
                break
            path.append(node)
        return path


@dataclass
class Rows:
    """Keys and values [kvHeads, 1, rows, headDim] of draft rows."""

    keys: Tensor
    values: Tensor

    def __add__(self, other: Rows) -> Rows:
        return Rows(torch.cat([self.keys, other.keys], dim=2), torch.cat([self.values, other.values], dim=2))


class ReferenceDrafter:
    """Drafts trees for one sequence. Row t pairs the target's feature f_t with token t + 1."""

    def __init__(
        self,
        head: DraftHead,
        embed: Callable[[list[int]], Tensor],
        lm_head: Tensor,
        d2t: Tensor,
        wrong_parent_rows: bool = False,
        parallel_level: bool = True,
    ):
        """embed: token ids -> [n, hidden]. For ablations only: wrong_parent_rows, the parallel level's known fault, and
        parallel_level, False to draft every level of a Jakiro head autoregressively."""
        self.head, self.embed, self.lm_head, self.d2t = head, embed, lm_head, d2t
        self.wrong_parent_rows, self.parallel_level = wrong_parent_rows, parallel_level
        self.stable: Rows | None = None
        self.forwards = 0

    @property
    def length(self) -> int:
        return 0 if self.stable is None else self.stable.keys.shape[2]

    @torch.no_grad()
    def draft(self, root: int, next_tokens: list[int], features: Tensor, depth: int, branching: int) -> Tree:
        """One round's whole pool of nodes.

        next_tokens, features [n, hidden]: the rows since the last round, the last of which pairs the newest feature
        with the root. A Jakiro head's last level is the parallel one, so `depth` levels take depth - 1 forwards;
        other heads take `depth`.
        """
        tree, parallel = Tree([root]), self.parallel_level and self.head.config.kind == "jakiro" and depth > 1
        levels = depth - 1 if parallel else depth
        output = self._append(next_tokens, features)
        frontier, lineage = [0], {0: []}
        drafted: Rows | None = None
        for level in range(1, levels + 1):
            carried = self._add_children(tree, frontier, output, branching)
            children = [n for n in range(1, len(tree.tokens)) if tree.parents[n] in frontier]
            parents, frontier = frontier, tree.best(children, branching)
            if level == levels:
                break
            first = 0 if drafted is None else drafted.keys.shape[2]
            for i, node in enumerate(frontier):
                lineage[node] = [*lineage[tree.parents[node]], first + i]
            states = torch.stack([carried[node] for node in frontier])
            output, drafted = self._explore(
                [tree.tokens[n] for n in frontier], states, [lineage[n] for n in frontier], drafted
            )
        if parallel:
            rows = [
                i % len(parents) if self.wrong_parent_rows else parents.index(tree.parents[n])
                for i, n in enumerate(frontier)
            ]
            for node, candidates in zip(frontier, self._candidates(output.y2[rows], branching)):
                for token, value in candidates:
                    tree.add(node, token, value)
        return tree

    def _add_children(self, tree: Tree, frontier: list[int], output: DraftOutput, branching: int) -> dict[int, Tensor]:
        """Adds every frontier node's best children; returns the feature each child carries on."""
        variants = output.branches if self.head.config.kind == "jakiro-star" else (output.y1,)
        carried: dict[int, tuple[float, Tensor]] = {}
        for variant in variants:
            for row, (node, candidates) in enumerate(zip(frontier, self._candidates(variant, branching))):
                for token, value in candidates:
                    child = tree.add(node, token, value)
                    if child not in carried or value > carried[child][0]:
                        carried[child] = (value, variant[row])
        return {child: feature for child, (_, feature) in carried.items()}

    def _candidates(self, states: Tensor, count: int) -> list[list[tuple[int, float]]]:
        """The `count` most probable tokens after each of the states [n, hidden], best first, ties to the smaller
        draft id."""
        scores, order = (states @ self.lm_head.T).log_softmax(-1).sort(dim=-1, descending=True, stable=True)
        return [
            [(int(self.d2t[i]), float(v)) for i, v in zip(ids[:count], values[:count])]
            for ids, values in zip(order, scores)
        ]

    def _append(self, next_tokens: list[int], features: Tensor) -> DraftOutput:
        """Runs the committed rows, each seeing all before it, keeps their keys and values, and returns the last row's
        output."""
        count = len(next_tokens)
        positions = torch.arange(self.length, self.length + count)
        x, q, new = self._project(next_tokens, features, positions)
        self.stable = new if self.stable is None else self.stable + new
        visible = torch.arange(self.length)[None, :] <= positions[:, None]
        return self._finish(x[-1:], q[:, :, -1:], self.stable, visible[-1:])

    def _explore(
        self, tokens: list[int], features: Tensor, lineage: list[list[int]], drafted: Rows | None
    ) -> tuple[DraftOutput, Rows]:
        """Runs frontier nodes: each sees the committed rows and its own lineage among the round's drafted rows,
        itself included."""
        depth = len(lineage[0])
        positions = torch.full((len(tokens),), self.length - 1 + depth)
        x, q, new = self._project(tokens, features, positions)
        drafted = new if drafted is None else drafted + new
        visible = torch.zeros(len(tokens), self.length + drafted.keys.shape[2], dtype=torch.bool)
        visible[:, : self.length] = True
        for row, ancestors in enumerate(lineage):
            visible[row, [self.length + a for a in ancestors]] = True
        return self._finish(x, q, self.stable + drafted, visible), drafted

    def _project(self, tokens: list[int], features: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Rows]:
        cos, sin = rotary_tables(positions[None], self.head.config)
        x = self.head.inputs(self.embed(tokens), features)
        q, k, v = self.head.layer.self_attn.project(x[None], cos, sin)
        return x, q[0], Rows(k[0], v[0])

    def _finish(self, x: Tensor, q: Tensor, rows: Rows, visible: Tensor) -> DraftOutput:
        """x [n, hidden]; q [kvHeads, group, n, headDim]; visible [n, keys]."""
        self.forwards += 1
        scores = (q @ rows.keys.transpose(-1, -2)).masked_fill(~visible, float("-inf"))
        a = x + self.head.layer.self_attn.merge((scores.softmax(-1) @ rows.values)[None])[0]
        return self.head.layer.feed_forward(a)
