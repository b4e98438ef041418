"""One progress line per interval: done, total, speed, time left."""

from __future__ import annotations

import sys
import time


class Progress:
    """Prints at most one line per `interval` seconds; where a person watches, the line is redrawn in place."""

    def __init__(self, label: str, total: float, interval: float = 5.0):
        self.label, self.total, self.interval = label, total, interval
        self.done = 0.0
        self._started = time.monotonic()
        self._printed = self._started

    def advance(self, amount: float, note: str = "") -> None:
        self.done += amount
        now = time.monotonic()
        if now - self._printed < self.interval and self.done < self.total:
            return
        self._printed = now
        rate = self.done / max(now - self._started, 1e-9)
        left = max(self.total - self.done, 0) / max(rate, 1e-9)
        line = f"{self.label}: {self.done:,.0f}/{self.total:,.0f} ({rate:,.1f}/s, {left / 60:.1f} min left) {note}"
        watched = sys.stdout.isatty()
        print(
            f"\r\033[K{line}" if watched else line, end="" if watched and self.done < self.total else "\n", flush=True
        )
