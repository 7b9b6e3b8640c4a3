"""How good sentences are, by level: Show and Tell's figure of four columns (Vinyals et al. 2015, figure 5), and bars of shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .captions import GAP, LEADING, LETTERS, write_below
from .style import COLORS, FONT, GREY, NEUTRAL, SMALL, WIDTH, picture, plain, show, text_width, wrap

LEVELS = tuple(COLORS[i] for i in (2, 5, 4, 1, 3, 0, 6))   # from good to bad: green, light blue, amber, orange; then the others
ROUNDING = 0.02  # shares copied from a table need not sum to 1 exactly


def caption_columns(columns: Mapping[str, tuple], *, colors: Sequence[str] | None = None, title: str | None = None) -> Figure:
    """A column a level: its name, the share of the sentences that are so, and a few pictures with their sentences.

    Args:
        columns: name -> (share in [0, 1], [(image, caption), ...]), from good to bad, such as "describes without errors",
            "describes with minor errors", "somewhat related to the image", "unrelated to the image". Images are (H, W),
            (1, H, W) or (3, H, W) of floats in [0, 1]. A column without pictures says "none".
        colors: of the columns, in their order.
        title: above the figure.

    Returns:
        A Figure with a panel a picture, the n-th pictures of all columns side by side.

    Raises:
        ValueError: no columns, a column that is not (share, pictures), a share outside [0, 1], or colors that do not fit.
    """
    if not columns:
        raise ValueError("caption_columns: columns is empty; give name -> (share, [(image, caption), ...])")
    shades = _shades("caption_columns", colors, len(columns), "columns")
    shares, items = zip(*(_column(name, parts) for name, parts in columns.items()))
    panel = min(2.3, (WIDTH - GAP) / len(columns) - GAP)   # inches
    size = FONT if panel > 1.8 else FONT - 1.5
    room = LETTERS * panel * 72   # points
    line = size * LEADING / 72    # inches
    names = [wrap(name, room, size) for name in columns]
    captions = [[wrap(caption, room, size) for _, caption in column] for column in items]
    rows = range(max(map(len, items)))
    sides = [panel * min(max(max(c[r][0].shape[0] / c[r][0].shape[1] for c in items if r < len(c)), 0.4), 1.5) for r in rows]
    texts = [max(len(c[r]) for c in captions if r < len(c)) * line + 0.2 for r in rows]   # inches below the pictures of a row
    width = len(columns) * (panel + GAP) + GAP
    heads = _title(title, width)
    above = 0.18 + len(heads) * (FONT + 1) * LEADING / 72 if title else 0.1
    heading = above + max(map(len, names)) * line + 0.44   # the share and the rule are the last 0.44
    height = heading + (sum(sides) + sum(texts) if rows else 0.4)
    figure = Figure(figsize=(width, height))
    for i, (name, share) in enumerate(zip(names, shares)):
        left = GAP + i * (panel + GAP)
        middle, rule = (left + panel / 2) / width, 1 - (heading - 0.1) / height
        figure.text(middle, rule + 0.34 / height, "\n".join(name), ha="center", va="baseline", fontsize=size, color=NEUTRAL,
                    linespacing=LEADING, parse_math=False)
        figure.text(middle, rule + 0.15 / height, percent(share), ha="center", va="center", fontsize=FONT + 3, color=NEUTRAL)
        figure.add_artist(Line2D([left / width, (left + panel) / width], [rule, rule], color=shades[i], linewidth=3))
        top = height - heading
        for (image, _), lines, side, text in zip(items[i], captions[i], sides, texts):
            axes = figure.add_axes((left / width, (top - side) / height, panel / width, side / height), anchor="S")
            show(axes, image)
            write_below(axes, lines, 5, size, color=NEUTRAL)
            top -= side + text
        if not items[i]:
            figure.text(middle, 1 - (heading + 0.15) / height, "none", ha="center", va="center", fontsize=size, color=GREY,
                        style="italic")
    if title:
        figure.suptitle("\n".join(heads), fontsize=FONT + 1, linespacing=LEADING, y=1 - 0.1 / height, va="top", parse_math=False)
    return figure


def stacked_bars(shares: Mapping[str, Mapping[str, float]], *, colors: Sequence[str] | None = None, xlabel: str = "",
                 title: str | None = None) -> Figure:
    """A horizontal bar a system, cut into the shares of its levels; the shares are written where there is room.

    Args:
        shares: system -> (level -> share in [0, 1]); all systems have the same levels, and the shares of each sum to 1.
        colors: of the levels, in the order of the first system's.
        xlabel: below.
        title: above.

    Raises:
        ValueError: no systems, other levels than the first system has, shares outside [0, 1] or that do not sum to 1 (more
            than rounding may change), or colors that do not fit.
    """
    if not shares:
        raise ValueError("stacked_bars: shares is empty; give system -> (level -> share)")
    levels = list(next(iter(shares.values())))
    if not levels:
        raise ValueError(f"stacked_bars: {next(iter(shares))!r} has no levels")
    shades = _shades("stacked_bars", colors, len(levels), "levels")
    parts = [_parts(system, given, levels) for system, given in shares.items()]
    names = [wrap(system, 1.7 * 72, FONT) for system in shares]
    row = max(0.42, max(map(len, names)) * FONT * LEADING / 72 + 0.06)   # inches
    entry = max(text_width(level, FONT - 1) for level in levels) / LETTERS + 4 * FONT   # points, with its colour and blanks
    across = max(1, min(len(levels), int((WIDTH - 0.4) * 72 / entry)))
    width = min(WIDTH, max(7.5, across * entry / 72 + 0.4, text_width(title or "", FONT + 1) / LETTERS / 72 + 0.2))
    heads = _title(title, width)
    height = (len(parts) * row + 0.5 + -(-len(levels) // across) * 0.19 + (0.18 if xlabel else 0)
              + (0.12 + len(heads) * (FONT + 1) * LEADING / 72 if title else 0))
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    inner = (width - 0.3 - max(text_width(line, FONT) for name in names for line in name) / LETTERS / 72) * 72   # points
    for i, values in enumerate(parts):
        start = 0.0
        for value, shade in zip(values, shades):
            axes.barh(i, value, 0.7, left=start, color=shade, edgecolor="white", linewidth=1)
            if text_width(percent(value), FONT - 1) < LETTERS * value * inner - 4:
                axes.text(start + value / 2, i, percent(value), ha="center", va="center", fontsize=FONT - 1, color=_ink(shade))
            start += value
    axes.set_xlim(0, 1)
    axes.set_ylim(len(parts) - 0.5, -0.5)   # the first system is on top
    axes.set_xlabel(xlabel, parse_math=False)
    plain(axes)
    axes.spines["left"].set_visible(False)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"], fontsize=SMALL)
    axes.set_yticks(range(len(parts)), ["\n".join(name) for name in names], fontsize=FONT, parse_math=False)
    axes.tick_params(axis="y", length=0)
    legend = figure.legend(handles=[Patch(facecolor=shade, label=level) for level, shade in zip(levels, shades)], ncols=across,
                           loc="outside lower center", fontsize=FONT - 1, frameon=False, handlelength=1.2, columnspacing=1.4)
    for text in legend.get_texts():
        text.set_parse_math(False)
    if title:
        figure.suptitle("\n".join(heads), fontsize=FONT + 1, linespacing=LEADING, parse_math=False)
    return figure


def percent(share: float) -> str:
    """A share in whole percent; nothing that there is becomes 0%, and nothing that is missing 100%."""
    if 0 < share <= 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 - 1e-9 else f"{share:.0%}"


def _title(title: str | None, width: float) -> list[str]:
    """A title in lines for a figure of ``width`` inches."""
    return wrap(title, (width - 0.2) * 72 * LETTERS, FONT + 1) if title else []


def _share(where: str, value) -> float:
    """A share, checked."""
    try:
        share = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: the share {value!r} must be a number in [0, 1]")
    if not -1e-9 <= share <= 1 + 1e-9:
        raise ValueError(f"{where}: the share {share:g} must lie in [0, 1]; divide a percentage by 100")
    return min(1.0, max(0.0, share))


def _shades(where: str, colors: Sequence[str] | None, count: int, what: str) -> list[str]:
    """A colour for each column or level."""
    if colors is None:
        return [LEVELS[i % len(LEVELS)] for i in range(count)]
    if len(colors) != count:
        raise ValueError(f"{where}: there are {len(colors)} colors and {count} {what}")
    return list(colors)


def _column(name: str, parts) -> tuple[float, list[tuple]]:
    """One of ``caption_columns``' columns as its share and its (picture, caption)s."""
    where = f"caption_columns: {name!r}"
    if not isinstance(parts, (tuple, list)) or len(parts) != 2:
        raise ValueError(f"{where} must be (share, [(image, caption), ...])")
    share, items = parts
    for i, item in enumerate(items):
        if not isinstance(item, (tuple, list)) or len(item) != 2 or not isinstance(item[1], str):
            raise ValueError(f"{where}: picture {i} must be (image, caption)")
    return _share(where, share), [(picture(image, f"{where}: image {i}"), caption) for i, (image, caption) in enumerate(items)]


def _parts(system: str, given: Mapping[str, float], levels: list[str]) -> list[float]:
    """The shares of one of ``stacked_bars``' systems, in the order of the levels."""
    where = f"stacked_bars: {system!r}"
    for level in [*levels, *given]:
        if level not in given or level not in levels:
            raise ValueError(f"{where} has {'no' if level not in given else 'the'} level {level!r}; all systems must have the "
                             f"levels of the first, {levels}")
    values = [_share(f"{where}, {level!r}", given[level]) for level in levels]
    if abs(sum(values) - 1) > ROUNDING:
        raise ValueError(f"{where}: the shares sum to {sum(values):.3g}, not to 1")
    return values


def _ink(shade: str) -> str:
    """Black or white, whichever stands out more on the colour."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055)**2.4 for c in to_rgb(shade)]   # sRGB, IEC 61966-2-1
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05)**2 > 1.05 * 0.05 else "white"   # WCAG's contrast ratio to either
