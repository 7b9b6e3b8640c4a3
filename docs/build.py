"""Make the site: ``python docs/build.py [--out FOLDER]``, static HTML that works from the disk, without a network.

The pages are the executed notebooks, the exercises, the documents of this folder and the reference. They are laid out as in
the repository, so that links between them hold in both places. Needs ``pip install -e ".[docs]"``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SITE = ROOT / "docs" / "site"
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "datasets/README.md", "docs/*.md", "docs/claims/*.md",
         "lectures/[0-9]*.ipynb", "lectures/homework/*.md")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def module(name: str):
    """A file of ``docs/site`` as a module."""
    spec = importlib.util.spec_from_file_location(f"site_{name}", SITE / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"no docs/site/{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def lay_out(source: pathlib.Path) -> None:
    """Copy the pages to ``source`` as Sphinx shall read them, and write those of the reference."""
    from tinymm.homework.handout import as_notebook, handouts

    pages = sorted({path for pattern in PAGES for path in ROOT.glob(pattern)})
    for path in pages:
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            target.write_text(linked(path.read_text(encoding="utf-8"), path, pages, source), encoding="utf-8")
        else:
            content = notebook(json.loads(path.read_text(encoding="utf-8")), path, pages, source)
            target.write_text(json.dumps(content), encoding="utf-8")
    (source / "exercises").mkdir()
    for number, path in handouts().items():
        (source / "exercises" / f"{number:02d}.ipynb").write_text(as_notebook(path.read_text(encoding="utf-8")), encoding="utf-8")
    shutil.copy(SITE / "index.md", source / "index.md")
    module("reference").write(source / "reference")


def linked(text: str, path: pathlib.Path, pages: list[pathlib.Path], source: pathlib.Path) -> str:
    """A page's text, its links to folders turned to their README, and the files that it links to laid beside it.

    Raises:
        ValueError: a link to nothing.
    """
    def turned(match: re.Match) -> str:
        words, address, anchor = match[1], match[2], match[3] or ""
        if re.match(r"[a-z]+:", address):
            return match[0]
        target = (path.parent / address).resolve()
        if not target.exists() or not target.is_relative_to(ROOT):
            raise ValueError(f"{path.relative_to(ROOT)}: the link [{words}]({address}) leads to nothing")
        if target.is_dir():
            if target / "README.md" not in pages:
                return words
            address = f"{address.rstrip('/')}/README.md"
        elif target not in pages:
            copy = source / target.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(target, copy)
        return f"[{words}]({address}{anchor})"

    fenced = re.split(r"(^```.*?^```)", text, flags=re.M | re.S)
    return "".join(part if part.startswith("```") else LINK.sub(turned, part) for part in fenced)


def notebook(content: dict, path: pathlib.Path, pages: list[pathlib.Path], source: pathlib.Path) -> dict:
    """A notebook whose links hold, and whose figures have the text that their outputs carry as the page's alternative text."""
    for cell in content["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = linked("".join(cell["source"]), path, pages, source)
        shown = [output["metadata"].get("image/png", {}).get("alt", "") for output in cell.get("outputs", ())
                 if "image/png" in output.get("data", ())]
        if shown:
            cell["metadata"]["mystnb"] = {"image": {"alt": " ".join(filter(None, shown))}}
    return content


def build(out: pathlib.Path) -> int:
    """Make the site in ``out``, which is replaced when it is whole; Sphinx's exit code.

    Args:
        out: the folder.
    """
    from sphinx.cmd.build import main as sphinx

    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix="site-") as folder:
        source, made = pathlib.Path(folder, "source"), pathlib.Path(folder, "made")
        source.mkdir()
        lay_out(source)
        trees = pathlib.Path(folder, "trees")
        code = sphinx(["-b", "html", "-c", str(SITE), "-d", str(trees), "-W", "--keep-going", "-q", str(source), str(made)])
        if code == 0:
            shutil.rmtree(out, ignore_errors=True)
            os.replace(made, out)
    return code


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make the site: static HTML that works without a network.")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "site", help="the folder (default: build/site)")
    args = parser.parse_args(argv)
    try:
        code = build(args.out.resolve())
    except ImportError as error:
        print(f'{error}\nthe site needs: pip install -e ".[docs]"', file=sys.stderr)
        return 2
    if code == 0:
        print(f"the site: {args.out / 'index.html'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
