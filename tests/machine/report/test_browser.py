"""The page in a real browser: it asks nobody for anything, fits a phone, and prints."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fakes import records
from vetting.orchestrator import gathering
from vetting.report import html
from vetting.store import Store

pytestmark = [pytest.mark.machine, pytest.mark.slow]
STORIES = (records.vetted, records.failed_hot, records.taste)
OWN = {  # hosts that the browser itself talks to, whatever page it shows
    "accounts.google.com",
    "android.clients.google.com",
    "clients2.google.com",
    "content-autofill.googleapis.com",
    "optimizationguide-pa.googleapis.com",
    "redirector.gvt1.com",
    "safebrowsing.googleapis.com",
    "update.googleapis.com",
    "www.google.com",
}
MEASURE = """<!doctype html><title>-</title><iframe id="f" src="page.html" width="{width}" height="900"></iframe>
<script>
document.getElementById("f").onload = () => {{
  const page = document.getElementById("f").contentDocument;
  document.title = JSON.stringify([page.documentElement.scrollWidth, page.querySelectorAll("svg[role=img]").length,
    [...page.querySelectorAll("svg[role=img]")].filter(one => one.getBoundingClientRect().height > 100).length]);
}};
</script>"""


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    return found


@pytest.fixture(params=STORIES, ids=lambda story: story.__name__)
def page(request: Any, tmp_path: Path) -> Path:
    store = Store.open(tmp_path / "data" / "vetting.db")
    try:
        story = request.param(store)
        closing = request.param is not records.failed_hot
        report = store.read_now(lambda: gathering.gather(story.run_id, closing=closing))
    finally:
        store.close()
    path = tmp_path / "page.html"
    path.write_text(html.render(report))
    return path


def browse(chromium: str, folder: Path, *words: str) -> str:
    said = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND",
         f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", *words],
        capture_output=True, text=True, timeout=90, cwd=folder,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    return said.stdout


def requests(log: Path) -> set[str]:
    """The addresses that the browser asked for, besides those of its own."""
    text = log.read_text()
    events = json.loads(text if text.rstrip().endswith("}") else text.rstrip().rstrip(",") + "]}")["events"]
    addresses = {str(event["params"]["url"]) for event in events if "url" in event.get("params", {})}
    return {address for address in addresses if urlsplit(address).hostname not in OWN and ":" in address[:12]}


def test_the_browser_is_asked_for_nothing(chromium: str, page: Path) -> None:
    log = page.with_name("net.json")
    browse(chromium, page.parent, f"--log-net-log={log}", "--dump-dom", page.as_uri())
    assert {one for one in requests(log) if not one.startswith(("file:", "data:", "chrome"))} == set()


def test_a_page_that_does_ask_is_seen_by_this_test(chromium: str, page: Path) -> None:
    leaky = page.with_name("leaky.html")
    text = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text())
    leaky.write_text(text.replace("</main>", '<img src="http://192.0.2.7/pixel.png"></main>'))
    log = page.with_name("net.json")
    browse(chromium, page.parent, f"--log-net-log={log}", "--dump-dom", leaky.as_uri())
    assert "http://192.0.2.7/pixel.png" in requests(log)


def test_the_policy_of_the_page_stops_a_request_that_slipped_in(chromium: str, page: Path) -> None:
    slipped = page.with_name("slipped.html")
    slipped.write_text(page.read_text().replace("</main>", '<img src="http://192.0.2.7/pixel.png"></main>'))
    log = page.with_name("net.json")
    browse(chromium, page.parent, f"--log-net-log={log}", "--dump-dom", slipped.as_uri())
    assert "http://192.0.2.7/pixel.png" not in requests(log)


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_of_a_phone_or_a_screen(chromium: str, page: Path, width: int) -> None:
    outer = page.with_name("outer.html")
    outer.write_text(MEASURE.format(width=width))
    said = browse(chromium, page.parent, "--allow-file-access-from-files", "--dump-dom", outer.as_uri())
    found = re.search(r"<title>\[(\d+),(\d+),(\d+)\]</title>", said)
    assert found, said[:300]
    wide, charts, tall = map(int, found.groups())
    assert wide <= width
    assert charts == tall > 0


def test_it_prints(chromium: str, page: Path) -> None:
    target = page.with_suffix(".pdf")
    browse(chromium, page.parent, "--no-pdf-header-footer", f"--print-to-pdf={target}", page.as_uri())
    assert target.read_bytes()[:5] == b"%PDF-"
    if (reader := shutil.which("pdftotext")) is not None:
        first = subprocess.run([reader, "-l", "1", str(target), "-"], capture_output=True, text=True, check=True).stdout
        assert "What was and was not tested" in first
        assert "What to do next" in first
        assert "PSU" in first, "the coverage table leaves the first page"
