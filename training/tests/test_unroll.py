"""The training pass must compute what drafting computes: compared with the reference drafter, which shares no
attention code with it."""

import pytest
import torch

from jakiro_training.objective import ObjectiveOptions, terms_of
from jakiro_training.tree import ReferenceDrafter
from jakiro_training.unroll import Batch, shift_right, unrolled_outputs

from conftest import KINDS_AND_EXPERTS, random_head

STEPS = 4


def packed_batch() -> tuple[Batch, torch.Tensor]:
    """Two rows: sequences of 9 and 5 tokens with padding, and one of 16. Embedding [50, 32]."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(50, (2, 16), generator=generator)
    segment = torch.tensor([[0] * 9 + [1] * 5 + [-1] * 2, [2] * 16])
    return Batch(tokens, torch.randn(2, 16, 32, generator=generator), segment), torch.randn(50, 32, generator=generator)


@pytest.mark.parametrize("kind, experts", KINDS_AND_EXPERTS)
def test_steps_equal_drafting_along_the_text(kind, experts):
    head = random_head(kind, experts)
    batch, embedding = packed_batch()
    with torch.no_grad():
        outputs = unrolled_outputs(
            head, batch, embedding[batch.tokens], batch.features, STEPS, torch.Generator().manual_seed(5)
        )
        choices = torch.Generator().manual_seed(5)
        carried = [pick_branch(output, choices) if kind == "jakiro-star" else output.y1 for output in outputs]
        for row, first, length in ((0, 0, 9), (0, 9, 5), (1, 0, 16)):
            place = slice(first, first + length)
            tokens, features = batch.tokens[row, place].tolist(), batch.features[row, place]
            for known in range(1, length):
                drafter = ReferenceDrafter(
                    head, lambda ids: embedding[torch.tensor(ids)], torch.zeros(1, 32), torch.zeros(1)
                )
                output, drafted = drafter._append(tokens[1 : known + 1], features[:known]), None
                for step in range(min(STEPS, length - known)):
                    position = known - 1 + step
                    if step > 0:
                        feature = carried[step - 1][row, first + position - 1]
                        output, drafted = drafter._explore(
                            [tokens[position + 1]], feature[None], [list(range(step))], drafted
                        )
                    torch.testing.assert_close(
                        outputs[step].y1[row, first + position], output.y1[0], rtol=1e-4, atol=1e-4
                    )
                    if output.y2 is not None:
                        torch.testing.assert_close(
                            outputs[step].y2[row, first + position], output.y2[0], rtol=1e-4, atol=1e-4
                        )


def pick_branch(output, generator):
    choice = torch.rand(output.y1.shape[:-1], generator=generator) < 0.5
    return torch.where(choice[..., None], *output.branches)


def test_positions_and_segments():
    batch, _ = packed_batch()
    assert batch.positions()[0].tolist() == [*range(9), *range(5), 0, 1]
    assert batch.same_segment(0, 1)[0].tolist() == [True] * 8 + [False] + [True] * 4 + [False] * 3
    assert batch.same_segment(1, 1)[0].tolist() == [False] + [True] * 7 + [False] * 2 + [True] * 3 + [False] * 3
    assert not batch.same_segment(10, 10).any()


@pytest.mark.parametrize(
    "kind, names",
    [
        ("jakiro", ["level 2", "parallel after 2"]),
        ("jakiro-star", ["branch0 step 1", "branch1 step 1", "level 2"]),
        ("eagle", ["level 2"]),
    ],
)
def test_students_stand_on_the_rows_they_predict(kind, names):
    batch, embedding = packed_batch()
    head = random_head(kind, 0 if kind == "eagle" else 2)
    with torch.no_grad():
        output = unrolled_outputs(head, batch, embedding[batch.tokens], batch.features, 2, torch.Generator())[1]
    terms = terms_of(output, batch, 1, ObjectiveOptions(2, 0.8, 0.5, 0.0, 0.0), kind == "jakiro-star", True)
    assert [t.name for t in terms] == names
    level = next(t for t in terms if t.name == "level 2")
    assert torch.equal(level.student[1, 7], output.y1[1, 6])
    # Row 6 of a sequence is the first whose level-2 output stands on it: rows 0 and 1 lack a drafted feature or a row
    # to come from.
    assert level.valid[1].tolist() == [False] * 2 + [True] * 14
    if kind == "jakiro":
        assert torch.equal(terms[1].student[1, 7], output.y2[1, 5])
        assert terms[1].valid[1].tolist() == [False] * 3 + [True] * 13
        assert terms[1].weight == pytest.approx(0.8 * 0.5)


def test_shift_right():
    assert shift_right(torch.tensor([[1, 2, 3, 4]]), 1).tolist() == [[0, 1, 2, 3]]
    assert shift_right(torch.tensor([[1, 2, 3, 4]]), 3).tolist() == [[0, 0, 0, 1]]
