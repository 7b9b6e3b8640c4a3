"""Settings of Sphinx for the site; ``python docs/build.py`` lays out the sources and runs it."""

import importlib.util
import pathlib
import shutil
import sys

import tinymm

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import docstrings  # noqa: E402

project, author, release = "tinymm", "the tinymm authors", tinymm.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "sphinx.ext.napoleon",
              "sphinx.ext.viewcode"]
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"                         # the notebooks are committed executed
nb_merge_streams = True
autosummary_generate = False
autodoc_typehints = "none"                        # the docstrings give shapes and dtypes, which annotations cannot
napoleon_use_ivar = True                           # attributes are listed once, in the docstring
napoleon_custom_sections = ["Gradient"]
autodoc_member_order = "bysource"
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type"]

html_theme = "furo"
html_title = "tinymm"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
# MathJax from a package of the registry, with its fonts in one file: the site works offline.
mathjax_path = "mathjax/tex-svg-full.js"
mathjax3_config = {"options": {"enableMenu": False}, "svg": {"fontCache": "local"}}


def copy_mathjax(app, exception):
    """Lay MathJax and its extensions beside the pages, from the package sphinx-mathjax-offline."""
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    if found is None or found.origin is None:
        raise ImportError('the site needs the package sphinx-mathjax-offline: pip install -e ".[docs]"')
    if exception is None:
        source, target = pathlib.Path(found.origin).parent / "static", pathlib.Path(app.outdir) / "_static"
        (target / mathjax_path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / mathjax_path, target / mathjax_path)


def setup(app):
    app.connect("autodoc-process-docstring", docstrings.process, priority=400)   # napoleon has 500
    app.connect("build-finished", copy_mathjax)
