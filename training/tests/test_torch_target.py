import json

import numpy as np
import pytest

from jakiro_training.torch_target import TorchTarget

from conftest import TINY_LLAMA, TINY_MODEL


@pytest.mark.parametrize("path", [TINY_MODEL, TINY_LLAMA], ids=lambda path: path.stem)
def test_features_are_those_of_the_model_that_the_file_was_made_from(path):
    """Long sequences too, where a Llama 3 file's rope scaling shows."""
    target = TorchTarget(path)
    sequences = json.loads(path.with_suffix(".golden.json").read_text())["sequences"]
    assert max(len(sequence["tokens"]) for sequence in sequences) > 100
    for sequence in sequences:
        (found,) = target.features([np.array(sequence["tokens"])])
        np.testing.assert_allclose(found[sequence["firstRow"] :], sequence["features"], atol=2e-4)
