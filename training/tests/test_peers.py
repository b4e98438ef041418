"""Training by several processes."""

import subprocess
import sys

import torch
import torch.multiprocessing as multiprocessing

from jakiro_training.checkpoint import load_checkpoint
from jakiro_training.peers import Peers

from conftest import TINY_MODEL, write_toy_training_data


def averaging(rank: int, folder: str) -> None:
    import os

    os.environ.update(RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT="29517")
    first, unused, second = (torch.nn.Parameter(torch.zeros(n)) for n in (3, 2, 4))
    first.grad, second.grad = torch.full((3,), 1.0 + rank), torch.full((4,), 10.0 * rank)
    peers = Peers()
    seconds, tokens = peers.average([first, unused, second], 5.0 + rank, 100 + rank)
    peers.leave()
    torch.save([first.grad, second.grad, unused.grad, seconds, tokens], f"{folder}/{rank}.pt")


def test_gradients_are_averaged_and_the_clock_is_the_leaders(tmp_path):
    multiprocessing.spawn(averaging, args=(str(tmp_path),), nprocs=2)
    for rank in range(2):
        first, second, unused, seconds, tokens = torch.load(tmp_path / f"{rank}.pt")
        assert first.tolist() == [1.5] * 3
        assert second.tolist() == [5.0] * 4
        assert unused is None
        assert (seconds, tokens) == (5.0, 201)


def test_two_processes_train_one_head(tmp_path, tiny_model):
    write_toy_training_data(tmp_path, tiny_model)
    options = ["--features", tmp_path / "features", "--corpus", tmp_path / "corpus", "--model", TINY_MODEL]
    options += [
        "--device",
        "cpu",
        "--rows",
        "1",
        "--length",
        "64",
        "--draft-vocabulary",
        "96",
        "--sampled-vocabulary",
        "80",
    ]
    options += ["--precision", "float32", "--threads", "1", "--steps", "8"]
    step = ["-m", "jakiro_training", "train_head", *map(str, options), "--out"]
    alone = [sys.executable, *step, str(tmp_path / "alone")]
    both = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *step]
    for command in (alone, [*both, str(tmp_path / "both")]):
        finished = subprocess.run(command, cwd=TINY_MODEL.parents[3] / "training", capture_output=True, text=True)
        assert finished.returncode == 0, finished.stderr[-2000:]
    one, two = (load_checkpoint(tmp_path / name / "latest.pt") for name in ("alone", "both"))
    assert one["step"] == two["step"] == 8
    assert 1.5 * one["tokens"] < two["tokens"] < 2.5 * one["tokens"]
    assert finished.stdout.count("held out |") == 1
