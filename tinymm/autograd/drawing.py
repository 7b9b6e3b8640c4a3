"""Draw the graph behind a tensor, as SVG or as Mermaid text; no program but this one is needed.

    draw(loss, names={"w": w, "x": x})      # shows itself in a notebook; .save("graph.svg") writes a file
"""

from __future__ import annotations

import html
import os
from collections.abc import Mapping

from ..backend.files import replacing
from .function import Output
from .tensor import AccumulateGrad, Tensor

WIDTH, HEIGHT, GAP_X, GAP_Y = 132, 40, 24, 44   # pixels


class Drawing:
    """The nodes between a tensor and its leaves.

    Attributes:
        nodes: list of dicts with "id", "label", "detail", "kind" ("leaf", "operation" or "root") and "level".
        edges: list of (id of the node that was computed from, id of the node computed).
    """

    def __init__(self, nodes: list[dict], edges: list[tuple[int, int]]):
        self.nodes, self.edges = nodes, edges

    def mermaid(self) -> str:
        """Mermaid's text for the graph (GitHub and many editors draw it)."""
        lines = ["flowchart TD"]
        for n in self.nodes:
            left, right = ("([", "])") if n["kind"] == "leaf" else ("[", "]")
            text = f"{n['label']}<br/>{n['detail']}" if n["detail"] else n["label"]
            lines.append(f'    n{n["id"]}{left}"{text}"{right}')
        return "\n".join(lines + [f"    n{a} --> n{b}" for a, b in self.edges])

    def svg(self) -> str:
        """A complete SVG document."""
        places = self._places()
        width = max(x for x, _ in places.values()) + WIDTH + GAP_X
        height = max(y for _, y in places.values()) + HEIGHT + GAP_Y // 2
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
                 'font-family="sans-serif" font-size="12">',
                 '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
                 '<path d="M0 0 L8 4 L0 8 z" fill="#555"/></marker></defs>',
                 f'<rect width="{width}" height="{height}" fill="#fff"/>']
        for a, b in self.edges:
            (xa, ya), (xb, yb) = places[a], places[b]
            x1, y1, x2, y2 = xa + WIDTH / 2, ya + HEIGHT, xb + WIDTH / 2, yb
            bend = max((y2 - y1) / 2, 12)
            parts.append(f'<path d="M{x1} {y1} C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}" fill="none" stroke="#555" '
                         'marker-end="url(#tip)"/>')
        fills = {"leaf": "#dbeafe", "operation": "#f3f4f6", "root": "#dcfce7"}
        for n in self.nodes:
            x, y = places[n["id"]]
            parts.append(f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="{18 if n["kind"] == "leaf" else 5}" '
                         f'fill="{fills[n["kind"]]}" stroke="#555"/>')
            middle = x + WIDTH / 2
            dy = 17 if n["detail"] else 24
            parts.append(f'<text x="{middle}" y="{y + dy}" text-anchor="middle">{html.escape(n["label"])}</text>')
            if n["detail"]:
                parts.append(f'<text x="{middle}" y="{y + 32}" text-anchor="middle" fill="#555" font-size="10">'
                             f'{html.escape(n["detail"])}</text>')
        return "\n".join([*parts, "</svg>"])

    def _places(self) -> dict[int, tuple[float, float]]:
        """Upper left corner of each node: rows by level, and in a row near the parents' middle."""
        parents: dict[int, list[int]] = {n["id"]: [] for n in self.nodes}
        for a, b in self.edges:
            parents[b].append(a)
        rows: dict[int, list[int]] = {}
        for n in self.nodes:
            rows.setdefault(n["level"], []).append(n["id"])
        order: dict[int, float] = {}
        for level in sorted(rows):
            row = rows[level]
            wish = {i: sum(order[p] for p in parents[i]) / len(parents[i]) if parents[i] else order.get(i, k)
                    for k, i in enumerate(row)}
            row.sort(key=wish.__getitem__)
            last = -1.0
            for i in row:
                order[i] = last = max(wish[i], last + 1)
        return {i: (GAP_X + x * (WIDTH + GAP_X), GAP_Y / 2 + level * (HEIGHT + GAP_Y))
                for level, row in rows.items() for i in row for x in (order[i],)}

    def save(self, path: str | os.PathLike) -> None:
        """Write the SVG (or, for a name that ends in .mmd, the Mermaid text)."""
        with replacing(path) as temporary:
            temporary.write_text(self.mermaid() if temporary.suffix == ".mmd" else self.svg(), encoding="utf-8")

    def _repr_html_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        name = {n["id"]: n["label"] for n in self.nodes}
        made: dict[int, list[str]] = {}
        for a, b in self.edges:
            made.setdefault(b, []).append(name[a])
        lines = [f"{n['label']} {n['detail']}" + (f"  <-  {', '.join(made[n['id']])}" if n["id"] in made else "")
                 for n in self.nodes]
        return "\n".join(lines)


def draw(tensor: Tensor, names: Mapping[str, Tensor] | None = None, max_nodes: int = 400) -> Drawing:
    """The graph that computed ``tensor``.

    Args:
        tensor: a result that requires grad.
        names: names for leaves; a leaf's own ``name`` is the next choice.
        max_nodes: more than this is an error instead of an unreadable picture.

    Raises:
        ValueError: no graph (the tensor does not require grad), or one that is too large.
    """
    if tensor._node is None:
        raise ValueError("draw: this tensor has no graph; does any input require grad?")
    known = {id(t._node): name for name, t in (names or {}).items() if t._node is not None}
    root = _skip(tensor._node)
    seen, stack = {root}, [root]
    while stack:
        for parent in _parents(stack.pop()):
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
        if len(seen) > max_nodes:
            raise ValueError(f"draw: the graph has more than {max_nodes} nodes; draw a smaller example or raise max_nodes")
    ordered = sorted(seen, key=lambda node: node.seq)   # parents first
    number = {node: i for i, node in enumerate(ordered)}
    level: dict = {}
    for node in ordered:
        level[node] = 1 + max((level[p] for p in _parents(node)), default=-1)
    nodes, edges, unnamed = [], [], 0
    for node in ordered:
        detail = ""
        if type(node) is AccumulateGrad:
            leaf = node.leaf()
            label = known.get(id(node)) or (leaf is not None and leaf.name) or None
            if label is None:
                label, unnamed = f"leaf {unnamed}", unnamed + 1
            if leaf is not None:
                detail = f"{leaf.dtype} {list(leaf.shape)}"
            kind = "leaf"
        else:
            label, kind = node.name, "root" if node is root else "operation"
            if node is root:
                detail = f"{tensor.dtype} {list(tensor.shape)}"
        nodes.append({"id": number[node], "label": label, "detail": detail, "kind": kind, "level": level[node]})
        edges += [(number[p], number[node]) for p in _parents(node)]
    return Drawing(nodes, edges)


def _skip(node):
    """The Function behind one of its outputs."""
    return node.edges[0] if type(node) is Output else node


def _parents(node) -> list:
    return [_skip(edge) for edge in node.edges if edge is not None]
