import xml.etree.ElementTree as ElementTree

import pytest

from plot_curve import draw, points

CURVE = [
    {"tokens": 0, "train": {"level 1": [9.0, 0.1]}},
    {"tokens": 1_000_000, "train": {"level 1": [5.0, 0.3]}, "heldout": {"level 1": [6.0, 0.2]}},
]


def test_points_take_the_loss_of_one_split():
    assert points(CURVE, "train", "level 1") == [(0.0, 9.0), (1.0, 5.0)]
    assert points(CURVE, "heldout", "level 1") == [(1.0, 6.0)]


def test_the_picture_spans_the_values():
    root = ElementTree.fromstring(draw({"a <b>": CURVE}, "level 1"))
    lines = [e.get("points") for e in root.iter() if e.tag.endswith("polyline")]
    assert lines[0] == "60.0,36.0 740.0,334.0"
    assert any(e.text == "a <b>" for e in root.iter())


def test_an_unknown_term_is_refused():
    with pytest.raises(SystemExit, match="level 9"):
        draw({"a": CURVE}, "level 9")
