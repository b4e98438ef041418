import pytest
import torch

from jakiro_training.tree import ReferenceDrafter, Tree
from jakiro_training.unroll import Batch, unrolled_outputs

from conftest import KINDS_AND_EXPERTS, random_head

EMBEDDING = torch.randn(60, 32, generator=torch.Generator().manual_seed(2))
LM_HEAD = torch.randn(40, 32, generator=torch.Generator().manual_seed(3)) * 0.5
D2T = torch.arange(40) + 10


def drafter_for(head, **options) -> ReferenceDrafter:
    return ReferenceDrafter(head, lambda ids: EMBEDDING[torch.tensor(ids)], LM_HEAD, D2T, **options)


def path_to(tree: Tree, node: int) -> list[int]:
    path = []
    while node > 0:
        path.append(tree.tokens[node])
        node = tree.parents[node]
    return path[::-1]


@pytest.mark.parametrize("kind, experts", [("jakiro", 2), ("jakiro", 4), ("eagle", 0)])
def test_values_are_those_of_the_training_pass_along_each_path(kind, experts):
    """Every node's value, recomputed by the unrolled training pass over the text that the node's path spells."""
    head, depth = random_head(kind, experts), 4
    features = torch.randn(5, 32, generator=torch.Generator().manual_seed(4))
    next_tokens = [11, 12, 13, 14, 15]
    tree = drafter_for(head).draft(15, next_tokens, features, depth, 3)
    assert max(len(path_to(tree, n)) for n in range(len(tree.tokens))) == depth
    for node in range(1, len(tree.tokens)):
        path = path_to(tree, node)
        tokens = torch.tensor([[0, *next_tokens, *path]])
        padded = torch.cat([features, torch.zeros(len(path) + 1, 32)])[None]
        batch = Batch(tokens, padded, torch.zeros_like(tokens))
        with torch.no_grad():
            outputs = unrolled_outputs(head, batch, EMBEDDING[tokens], padded, depth, torch.Generator())
        value = 0.0
        for level, token in enumerate(path, start=1):
            by_parallel = kind == "jakiro" and level == depth
            output = outputs[level - 2].y2[0, 3 + level - 1] if by_parallel else outputs[level - 1].y1[0, 3 + level]
            value += float((LM_HEAD @ output).log_softmax(0)[token - 10])
        assert tree.values[node] == pytest.approx(value, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("kind, experts", KINDS_AND_EXPERTS)
def test_a_round_does_not_depend_on_earlier_rounds(kind, experts):
    head = random_head(kind, experts)
    features, tokens = torch.randn(6, 32), [11, 12, 13, 14, 15, 16]
    whole = drafter_for(head).draft(16, tokens, features, 4, 3)
    drafter = drafter_for(head)
    drafter.draft(12, tokens[:2], features[:2], 4, 3)
    continued = drafter.draft(16, tokens[2:], features[2:], 4, 3)
    assert continued.tokens == whole.tokens and continued.parents == whole.parents
    assert continued.values == pytest.approx(whole.values, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("kind, experts, forwards", [("jakiro", 2, 3), ("jakiro-star", 2, 4), ("eagle", 0, 4)])
def test_the_parallel_level_saves_a_forward(kind, experts, forwards):
    drafter = drafter_for(random_head(kind, experts))
    drafter.draft(11, [11], torch.randn(1, 32), 4, 3)
    assert drafter.forwards == forwards


def test_wrong_parent_rows_change_the_parallel_level_only():
    head, features = random_head("jakiro", 2), torch.randn(3, 32)
    right, wrong = (
        drafter_for(head, wrong_parent_rows=fault).draft(13, [11, 12, 13], features, 3, 4) for fault in (False, True)
    )
    deepest = 1 + 4 + 16
    assert right.tokens[:deepest] == wrong.tokens[:deepest]
    assert right.tokens[deepest:] != wrong.tokens[deepest:]


def test_without_the_parallel_level_every_level_has_its_own_forward():
    head, features = random_head("jakiro", 2), torch.randn(3, 32)
    drafters = [drafter_for(head, parallel_level=parallel) for parallel in (True, False)]
    with_level, without = (d.draft(13, [11, 12, 13], features, 3, 4) for d in drafters)
    deepest = 1 + 4 + 16
    assert [d.forwards for d in drafters] == [2, 3]
    assert with_level.tokens[:deepest] == without.tokens[:deepest]
    assert with_level.tokens[deepest:] != without.tokens[deepest:]


def test_two_branches_merge_on_the_larger_value():
    tree = drafter_for(random_head("jakiro-star", 2)).draft(13, [11, 12, 13], torch.randn(3, 32), 1, 30)
    children = tree.tokens[1:]
    assert len(children) == len(set(children)) and 30 < len(children) < 60


def test_rerank_keeps_a_connected_tree_of_the_best_nodes():
    tree = drafter_for(random_head("jakiro", 2)).draft(13, [11, 12, 13], torch.randn(3, 32), 4, 4)
    small = tree.rerank(9)
    assert len(small.tokens) == 9 and small.parents[0] == -1
    assert all(0 <= parent < node for node, parent in enumerate(small.parents[1:], start=1))
    assert sorted(small.values) == sorted(tree.values, reverse=True)[:9][::-1]


def test_accepted_path_follows_the_text():
    tree = Tree([5], [-1], [0.0])
    first = tree.add(0, 7, -0.1)
    second = tree.add(first, 8, -0.2)
    assert tree.add(0, 7, -0.05) == first and tree.values[first] == -0.05
    assert tree.accepted([7, 8, 9]) == [first, second]
    assert tree.accepted([8, 7]) == []
