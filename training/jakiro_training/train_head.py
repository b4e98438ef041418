"""Step `train_head`: trains a draft head on target features, resumable, within a budget of minutes or steps."""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from pathlib import Path

import numpy as np
import torch

from .checkpoint import load_checkpoint, save_checkpoint
from .draft_vocabulary import always_included, choose_draft_vocabulary, corpus_counts, sampled_rows
from .feature_shards import FeatureStream, pack, read_feature_shard
from .gguf_model import GgufModel
from .head import KINDS, DraftHead, HeadConfig
from .objective import ObjectiveOptions, objective
from .on_the_fly import TargetStream
from .optimizers import Optimizers
from .peers import Peers
from .schedule import decaying, learning_rate
from .shards import shard_paths
from .torch_target import TorchTarget
from .unroll import Batch

CHECKPOINT_SECONDS = 120
VALIDATION_SECONDS = 300
REPORT_SECONDS = 20
VALIDATION_SHARDS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--features", type=Path, required=True, help="folder of feature shards; may still be growing")
    parser.add_argument(
        "--on-the-fly",
        action="store_true",
        help="compute training features from the corpus as they are needed (on a GPU)",
    )
    parser.add_argument("--corpus", type=Path, required=True, help="folder of token shards")
    parser.add_argument("--model", type=Path, required=True, help="the target's GGUF: embedding and LM-head rows")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and the loss curve")
    parser.add_argument("--kind", choices=KINDS, default="jakiro")
    parser.add_argument("--experts", type=int, default=2)
    parser.add_argument("--draft-vocabulary", type=int, default=16384)
    parser.add_argument(
        "--sampled-vocabulary", type=int, default=6144, help="rows of the draft vocabulary a step's softmax runs over"
    )
    parser.add_argument("--steps-unrolled", type=int, default=3, help="1 trains on the target's features only")
    parser.add_argument("--step-decay", type=float, default=0.8)
    parser.add_argument("--no-parallel", action="store_true", help="leave the contrastive output untrained")
    parser.add_argument(
        "--no-contrast",
        action="store_true",
        help="ablation: the second output adds both experts; the engine cannot draft with such a head",
    )
    parser.add_argument("--parallel-weight", type=float, default=0.5)
    parser.add_argument(
        "--feature-weight", type=float, default=0.0, help="weight of the per-channel scaled smooth-L1 feature loss"
    )
    parser.add_argument("--noise", type=float, default=0.1, help="uniform noise on the target's features")
    parser.add_argument(
        "--init", type=Path, help="checkpoint whose weights to start from (jakiro-star from a jakiro head)"
    )
    parser.add_argument("--minutes", type=float, help="budget of training time, the resumed part included")
    parser.add_argument("--steps", type=int, help="budget of optimizer steps instead of minutes")
    parser.add_argument("--extend", action="store_true", help="go on from the checkpoint before the learning rate fell")
    parser.add_argument("--rows", type=int, default=4, help="packed rows per batch")
    parser.add_argument("--length", type=int, default=512, help="tokens per packed row")
    parser.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw")
    parser.add_argument("--learning-rate", type=float, default=6e-4)
    parser.add_argument("--decay-share", type=float, default=0.3, help="share of the budget over which the rate falls")
    parser.add_argument("--weight-decay", type=float, default=1e-3)
    parser.add_argument("--clip", type=float, default=1.0, help="largest gradient norm")
    parser.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="auto: bfloat16 where it is faster"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)


def head_config(args: argparse.Namespace, model: GgufModel) -> HeadConfig:
    """The target's attention shape; a dense head's single SwiGLU is as wide as two experts, so that parameters are
    equal."""
    target = model.config
    dense = args.kind == "eagle"
    return HeadConfig(
        kind=args.kind,
        hidden=target.hidden,
        heads=target.heads,
        kv_heads=target.kv_heads,
        head_dim=target.head_dim,
        rope_base=target.rope_base,
        rope_divisors=target.rope_divisors,
        norm_epsilon=target.norm_epsilon,
        qkv_bias=target.qkv_bias,
        experts=0 if dense else args.experts,
        intermediate=2 * target.hidden if dense else target.hidden,
        draft_vocabulary=args.draft_vocabulary,
        contrast=not args.no_contrast,
    )


def faster_precision(device: str, hidden: int) -> torch.dtype:
    """bfloat16 on CUDA, and on processors where a product of the LM head's shape is measurably faster in it."""
    if device != "cpu":
        return torch.bfloat16
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.ones(1024, hidden, dtype=dtype), torch.ones(hidden, 4 * hidden, dtype=dtype)
        a @ b
        started = time.perf_counter()
        for _ in range(3):
            a @ b
        seconds[dtype] = time.perf_counter() - started
    return torch.bfloat16 if seconds[torch.bfloat16] < 0.8 * seconds[torch.float32] else torch.float32


def run(args: argparse.Namespace) -> None:
    if (args.minutes is None) == (args.steps is None):
        raise SystemExit("Give the budget as either --minutes or --steps.")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    Trainer(args, GgufModel(args.model)).train()


class Trainer:
    """One training run: its state is what a checkpoint holds."""

    def __init__(self, args: argparse.Namespace, model: GgufModel):
        self.args, self.device, self.peers = args, torch.device(args.device), Peers()
        resumed = self._resumed()
        config = HeadConfig(**resumed["config"]) if resumed else head_config(args, model)
        self.head = DraftHead(config)
        self.head.initialize(args.seed)
        if args.init and not resumed:
            self.head.load_state_dict(load_checkpoint(args.init)["head"])
        self.head.to(self.device)
        self.optimizers = Optimizers(self.head, args.optimizer, args.weight_decay, fused=self.device.type == "cuda")
        self.step, self.tokens, self.seconds, self.curve = 0, 0, 0.0, []
        passes: dict[str, int] = {}
        counts = corpus_counts(args.corpus, model.config.vocabulary)
        if resumed:
            self.head.load_state_dict(resumed["head"])
            self.optimizers.restore(resumed["optimizers"])
            self.step, self.tokens, self.seconds, self.curve = (
                resumed[k] for k in ("step", "tokens", "seconds", "curve")
            )
            passes = resumed["passes"]
            self.d2t = resumed["d2t"].numpy()
            print(f"resumed at step {self.step}, {self.tokens:,} tokens, {self.seconds / 60:.1f} min", flush=True)
        else:
            self.d2t = choose_draft_vocabulary(counts, always_included(model), args.draft_vocabulary)
            print(
                f"draft vocabulary of {len(self.d2t)} covers {counts[self.d2t].sum() / counts.sum():.2%} of the corpus",
                flush=True,
            )
        self.dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}.get(args.precision) or faster_precision(
            args.device, config.hidden
        )
        self.target = {
            "name": model.config.name,
            "sha256": model.sha256,
            "vocabulary": model.config.vocabulary,
        }
        self.embedding = torch.from_numpy(model.embedding_rows(dtype=np.float16)).to(self.device)
        self.lm_head = torch.from_numpy(model.lm_head_rows(self.d2t)).to(self.device, self.dtype)
        self.t2d = torch.full((model.config.vocabulary,), -1)
        self.t2d[torch.from_numpy(self.d2t).long()] = torch.arange(len(self.d2t))
        self.frequent = self.t2d[
            torch.from_numpy(
                self.d2t[np.argsort(-counts[self.d2t], kind="stable")[: args.sampled_vocabulary // 2]]
            ).long()
        ]
        seed = args.seed * self.peers.size + self.peers.rank
        if args.on_the_fly:
            target = TorchTarget(args.model, args.device, self.dtype)
            self.stream = TargetStream(args.corpus, target, args.rows, args.length, seed, passes)
        else:
            self.stream = FeatureStream(args.features, args.rows, args.length, seed, passes)
        self.options = ObjectiveOptions(
            args.steps_unrolled,
            args.step_decay,
            0.0 if args.no_parallel else args.parallel_weight,
            args.feature_weight,
            args.noise,
        )
        self.generator = torch.Generator().manual_seed(seed + self.step * self.peers.size)
        # A checkpoint without one is from a run without a feature loss, to which all channels are alike.
        known_scale = (resumed or {}).get("feature_scale", torch.ones(config.hidden))
        self.feature_scale = known_scale.to(self.device)
        parameters = sum(p.numel() for p in self.head.parameters())
        print(
            f"{config.kind} head, {parameters / 1e6:.2f} M parameters, "
            f"{str(self.dtype).removeprefix('torch.')} on {self.device}",
            flush=True,
        )

    def _resumed(self) -> dict | None:
        path = self.args.out / ("before-decay.pt" if self.args.extend else "latest.pt")
        return load_checkpoint(path) if path.exists() else None

    def progress(self) -> float:
        return self.step / self.args.steps if self.args.steps else self.seconds / (60 * self.args.minutes)

    def train(self) -> None:
        """Trains until the budget is spent; a checkpoint every two minutes, and one just before the rate begins to
        fall."""
        saved = validated = reported = self.seconds
        recent: deque[dict[str, tuple[float, float, float]]] = deque(maxlen=50)
        started_tokens, started_seconds = self.tokens, self.seconds
        was_decaying = decaying(self.progress(), self.args.decay_share)
        self.clock = time.monotonic()
        while self.progress() < 1:
            batch, tokens = self.stream.next_batch()
            if self.options.feature_weight > 0 and self.step == 0:
                self.feature_scale = typical_magnitude(batch).to(self.device)
            terms, seconds, tokens = self._optimize(batch, tokens)
            recent.append(terms)
            self.step, self.tokens, self.seconds = self.step + 1, self.tokens + tokens, self.seconds + seconds
            if not self.peers.leads:
                continue
            if decaying(self.progress(), self.args.decay_share) and not was_decaying:
                self._save("before-decay.pt")
                was_decaying = True
            if self.seconds - reported >= REPORT_SECONDS or self.progress() >= 1:
                reported = self.seconds
                self._report(recent, (self.tokens - started_tokens) / (self.seconds - started_seconds))
            if self.seconds - validated >= VALIDATION_SECONDS or self.progress() >= 1:
                validated = self.seconds
                self._validate()
            if self.seconds - saved >= CHECKPOINT_SECONDS:
                saved = self.seconds
                self._save("latest.pt")
        if self.peers.leads:
            self._save("latest.pt")
        self.peers.leave()

    def _objective(self, batch: Batch, options: ObjectiveOptions, lm_head: torch.Tensor):
        batch = Batch(batch.tokens.to(self.device), batch.features.to(self.device), batch.segment.to(self.device))
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            return objective(self.head, batch, self.embedding, lm_head, self.feature_scale, options, self.generator)

    def _optimize(self, batch: Batch, tokens: int):
        """One step of all processes. Returns this one's loss terms, the seconds since the step before and the tokens of
        all."""
        rows = sampled_rows(batch.tokens, self.t2d, self.frequent, self.args.sampled_vocabulary, self.generator)
        loss, terms = self._objective(batch, self.options, self.lm_head[rows.to(self.device)])
        loss.backward()
        seconds, tokens = self.peers.average(list(self.head.parameters()), time.monotonic() - self.clock, tokens)
        self.clock = time.monotonic()
        torch.nn.utils.clip_grad_norm_(self.head.parameters(), self.args.clip)
        self.optimizers.step(learning_rate(self.args.learning_rate, self.step, self.progress(), self.args.decay_share))
        return {name: tuple(float(v) for v in values) for name, values in terms.items()}, seconds, tokens

    def _report(self, recent: deque, speed: float) -> None:
        summary = summarize(recent)
        self.curve.append({"step": self.step, "tokens": self.tokens, "seconds": round(self.seconds), "train": summary})
        left = self.seconds * (1 / max(self.progress(), 1e-9) - 1)
        shown = "  ".join(f"{name} {loss:.3f} {share:.1%}" for name, (loss, share) in summary.items())
        print(
            f"step {self.step}  {self.tokens / 1e6:.3f} M tokens  {self.stream.distinct_shards} shards  "
            f"{speed:.0f} tok/s  {left / 60:.1f} min left | {shown}",
            flush=True,
        )

    @torch.no_grad()
    def _validate(self) -> None:
        """Agreement on held-out packages, without noise, every level of the unrolled pass."""
        paths = shard_paths(self.args.features, "heldout")[:VALIDATION_SHARDS]
        if not paths:
            return
        options = ObjectiveOptions(max(self.options.steps, 3), 1.0, 1.0, 0.0, 0.0, all_parallel_steps=True)
        pending = [sequence for path in paths for sequence in read_feature_shard(path)]
        results = []
        while pending:
            chosen, room = [], self.args.rows * self.args.length
            # One that is too long for the whole batch is cut.
            while pending and (not chosen or room >= len(pending[-1].tokens)):
                chosen.append(pending.pop())
                room -= len(chosen[-1].tokens)
            batch, _ = pack(chosen, self.args.rows, self.args.length)
            _, terms = self._objective(batch, options, self.lm_head)
            results.append({name: tuple(float(v) for v in values) for name, values in terms.items()})
        summary = summarize(results)
        self.curve.append(
            {"step": self.step, "tokens": self.tokens, "seconds": round(self.seconds), "heldout": summary}
        )
        print(
            "held out | " + "  ".join(f"{name} {loss:.3f} {share:.1%}" for name, (loss, share) in summary.items()),
            flush=True,
        )

    def _save(self, name: str) -> None:
        options = {k: str(v) if isinstance(v, Path) else v for k, v in vars(self.args).items()}
        save_checkpoint(
            self.args.out / name,
            {
                "config": self.head.config.to_json(),
                "head": {k: v.cpu() for k, v in self.head.state_dict().items()},
                "optimizers": self.optimizers.state(),
                "step": self.step,
                "tokens": self.tokens,
                "seconds": self.seconds,
                "curve": self.curve,
                "passes": self.stream.passes,
                "d2t": torch.from_numpy(self.d2t),
                "feature_scale": self.feature_scale.cpu(),
                "target": self.target,
                "options": options,
            },
        )
        (self.args.out / "curve.json").write_text(json.dumps(self.curve) + "\n")


def typical_magnitude(batch: Batch) -> torch.Tensor:
    """[hidden] root mean square of every feature channel over the batch's tokens."""
    rows = batch.features[batch.segment >= 0].float()
    return rows.pow(2).mean(0).sqrt().clamp(min=1e-3)


def summarize(records) -> dict[str, tuple[float, float]]:
    """Per term: mean cross-entropy and share of rows that agree with the target's argmax, over all records' rows."""
    totals: dict[str, np.ndarray] = {}
    for record in records:
        for name, values in record.items():
            totals[name] = totals.get(name, np.zeros(3)) + np.asarray(values)
    return {name: (float(loss / rows), float(hits / rows)) for name, (loss, hits, rows) in totals.items()}
