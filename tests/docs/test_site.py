"""The site: every page loads from the disk in a browser, in silence, with its formulas, at the width of a screen and of a phone.

Needs the folder of a site made by ``docs/build.py`` in TINYMM_SITE, the extra ``docs``, and Chromium on the PATH.
"""

import os
import pathlib
import shutil
import urllib.parse

import pytest

pytestmark = pytest.mark.site
SITE = pathlib.Path(os.environ.get("TINYMM_SITE", "build/site")).resolve()
PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html") if "_modules" not in path.parts[len(SITE.parts):])
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# What a page holds that should not be there: formulas that MathJax left as they were or could not read, scroll bars, no text.
LOOK = """() => {
    const page = document.scrollingElement, body = document.querySelector('article') || document.body;
    const wide = [...document.querySelectorAll('article *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
        && !e.closest('.math, pre, table, .cell_output, div.highlight, svg, .sig, .toctree-wrapper'));
    return {scrolls: page.scrollWidth > innerWidth, wide: wide.slice(0, 3).map(e => e.outerHTML.slice(0, 120)),
            formulas: document.querySelectorAll('.math').length, drawn: document.querySelectorAll('.math mjx-container').length,
            errors: [...document.querySelectorAll('mjx-merror, [data-mjx-error]')].map(e => e.getAttribute('data-mjx-error')),
            silent: [...document.querySelectorAll('article img')].filter(e => !e.alt && !e.closest('.sd-card')).length,
            broken: [...document.querySelectorAll('article img')].filter(e => !e.naturalWidth).length,
            links: [...document.querySelectorAll('a[href]')].map(a => a.href),
            ids: [...document.querySelectorAll('[id]')].map(e => e.id), text: body.innerText.length}; }"""


@pytest.fixture(scope="module")
def browser():
    if not PAGES:
        pytest.fail(f"no site in {SITE}: python docs/build.py, and TINYMM_SITE if it is elsewhere")
    if BROWSER is None:
        pytest.skip("no Chromium on the PATH")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def seen(browser):
    """What every page shows at 1280 pixels, looked at once."""
    found = {}
    for name in PAGES:
        found[name] = look(browser, name, 1280)
    return found


def look(browser, name: str, width: int, scheme: str = "light") -> dict:
    """What a page shows, with what its console said and what it asked of the network."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    console, network = [], []
    page.on("console", lambda message: console.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: console.append(str(error)))
    page.on("requestfailed", lambda request: network.append(f"failed: {request.url}"))
    local = lambda url: url.startswith(("file:", "data:", "blob:"))
    page.on("request", lambda request: None if local(request.url) else network.append(request.url))
    page.goto(f"file://{SITE / name}")
    page.wait_for_function("() => !window.MathJax || !window.MathJax.startup || window.MathJax.startup.promise === undefined"
                           " || window.MathJax.startup.promise.then(() => true)")
    result = {**page.evaluate(LOOK), "console": console, "network": network}
    page.close()
    return result


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_in_silence_with_its_formulas(seen, name):
    page = seen[name]
    assert not page["console"] and not page["network"]
    assert page["text"] > 20 or name in ("search.html", "genindex.html")
    assert page["drawn"] == page["formulas"] and not page["errors"]
    assert not page["broken"] and not page["silent"], "a figure without its file or its alternative text"
    assert not page["scrolls"], page["wide"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone(browser, name):
    page = look(browser, name, 400, "dark")
    assert not page["scrolls"], page["wide"]


@pytest.mark.parametrize("name", PAGES)
def test_links_resolve(seen, name):
    wrong = []
    for link in set(seen[name]["links"]):
        parts = urllib.parse.urlsplit(link)
        if parts.scheme != "file":
            continue
        path = pathlib.Path(urllib.parse.unquote(parts.path))
        anchor, inside = urllib.parse.unquote(parts.fragment), path.is_relative_to(SITE) and str(path.relative_to(SITE))
        if not inside or not path.exists() or anchor and inside in seen and anchor not in seen[inside]["ids"]:
            wrong.append(link)
    assert not wrong


def test_the_search_finds(browser):
    page = browser.new_page()
    page.goto(f"file://{SITE / 'search.html'}?q=attention")
    page.wait_for_selector("#search-results li")
    assert "attention" in page.inner_text("#search-results").lower()
    page.close()


def test_light_and_dark_differ(browser):
    backgrounds = []
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(f"file://{SITE / 'index.html'}")
        backgrounds.append(page.evaluate("() => getComputedStyle(document.body).backgroundColor"))
        page.close()
    assert backgrounds[0] != backgrounds[1]
