"""What a training says: a bar on a terminal, one plain line an epoch, the learning curve as a table, tensorboard."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from utils.files import write_text

PERCENT = ("UA", "WA", "MAF", "MAP")


class Progress:
    """Report a training. A process that is not the main one makes it with `quiet`.

    Args:
        name: starts each line. log_dir: gets curve.tsv (and tensorboard/); None for no files.
    """

    def __init__(self, name: str, log_dir: Path | None, tensorboard: bool = False, quiet: bool = False,
                 stream: TextIO | None = None):
        self.name, self.quiet = name, quiet
        self.log_dir = None if quiet else log_dir
        self.stream = stream or sys.stdout
        self.terminal = self.stream.isatty()
        self.writer: Any = None
        if tensorboard and self.log_dir is not None:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(self.log_dir / "tensorboard"))

    def say(self, text: str) -> None:
        """One plain line."""
        if not self.quiet:
            end = "\x1b[K\n" if self.terminal else "\n"
            print(f"{self.name}: {text}" if self.name else text, end=end, file=self.stream, flush=True)

    def batch(self, epoch: int, done: int, count: int) -> None:
        """Move the bar; nothing in a file."""
        if self.terminal and not self.quiet:
            filled = 30 * done // max(1, count)
            print(f"\repoch {epoch} [{'#' * filled}{'.' * (30 - filled)}] {done}/{count}\x1b[K\r", end="",
                  file=self.stream, flush=True)

    def epoch(self, curve: Sequence[Mapping[str, Any]], best: bool) -> None:
        """Report the last row of the curve."""
        row = curve[-1]
        shown = [f"{key} {100 * row[key]:.1f}" if key.removeprefix("dev_") in PERCENT else f"{key} {row[key]:.4g}"
                 for key in row if key not in ("epoch",) and not key.startswith("train_loss_")]
        self.say(f"epoch {row['epoch']}: {', '.join(shown)}{' *' if best else ''}")
        if self.log_dir is not None:
            write_curve(self.log_dir / "curve.tsv", curve)
        if self.writer is not None:
            for key, value in row.items():
                self.writer.add_scalar(key, value, row["epoch"])

    def close(self) -> None:
        """Flush tensorboard."""
        if self.writer is not None:
            self.writer.close()


def write_curve(path: Path, curve: Sequence[Mapping[str, Any]]) -> None:
    """The learning curve as TSV, one row an epoch."""
    columns = list(dict.fromkeys(key for row in curve for key in row))
    lines = ["\t".join(columns)]
    for row in curve:
        lines.append("\t".join(_cell(row.get(key)) for key in columns))
    write_text(path, "\n".join(lines) + "\n")


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
