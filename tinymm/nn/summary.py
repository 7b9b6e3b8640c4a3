"""The table of a Module's parts: output shapes, parameter counts, memory."""

from __future__ import annotations

import html
from dataclasses import dataclass

from ..autograd import Tensor, no_grad


@dataclass
class Row:
    """One part of a model."""

    name: str
    kind: str
    output: str
    parameters: int
    bytes: int


class Summary:
    """What ``Module.summary`` returns; prints as text, and as a table in a notebook."""

    COLUMNS = ("name", "layer", "output", "parameters", "memory")

    def __init__(self, rows: list[Row], total: int, trainable: int, nbytes: int):
        self.rows, self.total, self.trainable, self.nbytes = rows, total, trainable, nbytes

    def _cells(self) -> list[tuple[str, ...]]:
        return [(r.name or "(model)", r.kind, r.output, f"{r.parameters:,}", readable(r.bytes)) for r in self.rows]

    def _foot(self) -> str:
        return f"{self.total:,} parameters, {self.trainable:,} of them trained; {readable(self.nbytes)}"

    def __repr__(self) -> str:
        cells = [self.COLUMNS, *self._cells()]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.COLUMNS))]
        lines = ["  ".join(c.rjust(w) if i > 2 else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip()
                 for row in cells]
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:], self._foot()])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{c}</th>" for c in self.COLUMNS)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in self._cells())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{self._foot()}</p>"


def readable(nbytes: int) -> str:
    """A number of bytes with a unit."""
    size = float(nbytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def shapes(value) -> str:
    """The shapes of the Tensors in a result."""
    if isinstance(value, Tensor):
        return str(tuple(value.shape))
    if isinstance(value, (tuple, list)):
        return ", ".join(filter(None, map(shapes, value)))
    return ""


def summarize(module, inputs: tuple, kwargs: dict) -> Summary:
    """The Summary of a Module; see ``Module.summary``."""
    outputs: dict[int, str] = {}
    if inputs or kwargs:
        handles = [m.register_forward_hook(lambda m, args, out: outputs.__setitem__(id(m), shapes(out)))
                   for m in module.modules()]
        modes = [(m, m.training) for m in module.modules()]
        try:
            with no_grad():
                module.eval()(*inputs, **kwargs)
        finally:
            for m, mode in modes:
                m.training = mode
            for handle in handles:
                handle.remove()
    rows = []
    for name, m in module.named_modules():
        own = [p for p in (*m._parameters.values(), *m._buffers.values()) if p is not None]
        count = sum(p.numel() for p in m._parameters.values() if p is not None)
        rows.append(Row(name, type(m).__name__, outputs.get(id(m), ""), count, sum(t.numel() * t.element_size() for t in own)))
    parameters = list(module.parameters())
    everything = [*parameters, *module.buffers()]
    return Summary(rows, sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad),
                   sum(t.numel() * t.element_size() for t in everything))
