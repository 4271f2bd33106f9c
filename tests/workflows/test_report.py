"""The report as a person meets it: in a browser, offline, at two widths, light, dark and printed."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from ionscreen.workflows.ranking import rank
from ionscreen.workflows.report import write_report
from ionscreen.workflows.results import CampaignResults
from ionscreen.workflows.verification import Verification

WIDTHS = (1280, 520)
HOSTILE = "<img src=x onerror=document.title='hacked'>"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the browser; absent, skip, but not where all tests must run."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        assert not os.environ.get("CI"), ".ci/run must install chromium"
        pytest.skip("no chromium on the PATH (Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="module")
def page(small_run: CampaignResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the report whose candidates carry names that would run as script if they were not escaped."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    named = rank([replace(p, parameters={**p.parameters, HOSTILE: HOSTILE}) for p in small_run.ranked], "maximise")
    results = replace(small_run, ranked=named)
    before = small_run.directory.report.read_bytes()
    write_report(results)
    shutil.copy(small_run.directory.report, path)
    small_run.directory.report.write_bytes(before)
    return path


def browse(chromium: str, *arguments: str, timeout: float = 120) -> str:
    """Run the browser without a window."""
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=True)
    return done.stdout


def ask(chromium: str, page: Path, script: str, width: int = WIDTHS[0]) -> Any:
    """Return what a script that runs in the page returns, as JSON."""
    text = page.read_text(encoding="utf-8")
    run = f"<script>document.body.dataset.answer = JSON.stringify((function () {{ {script} }})())</script></body>"
    asking = page.with_name("asking.html")
    asking.write_text(text.replace("</body>", run), encoding="utf-8")
    dom = browse(chromium, f"--window-size={width},900", "--dump-dom", asking.as_uri())
    answer = _BodyData()
    answer.feed(dom)
    return json.loads(answer.found)


class _BodyData(HTMLParser):
    found = "null"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            self.found = dict(attrs).get("data-answer") or "null"


def test_headings_sort_and_fields_filter(chromium: str, page: Path, small_run: CampaignResults) -> None:
    answer = ask(
        chromium,
        page,
        """
        const table = document.getElementById("ranking"), form = document.getElementById("filter");
        const column = n => Array.from(table.tBodies[0].rows).filter(r => !r.hidden).map(r => r.cells[n].textContent);
        const press = n => table.tHead.rows[0].cells[n].querySelector("button").click();
        const tell = () => form.dispatchEvent(new Event("input"));
        const found = {ranks: column(0)};
        press(3); found.ascending = column(3);
        press(3); found.descending = column(3); found.sort = table.tHead.rows[0].cells[3].getAttribute("aria-sort");
        press(2); found.families = column(2);
        form.elements.family.value = "sintered"; tell(); found.sintered = column(2);
        form.elements.family.value = ""; form.elements.solved.checked = true; tell(); found.solved = column(6);
        form.elements.solved.checked = false; form.elements.words.value = "COMPOSITE ok"; tell();
        found.words = column(2);
        found.shown = document.getElementById("shown").textContent;
        return found;
        """,
    )
    assert [int(r) for r in answer["ranks"]] == list(range(1, 151))
    assert [float(v) for v in answer["ascending"]] == sorted(float(v) for v in answer["ascending"])
    assert answer["descending"] == answer["ascending"][::-1] or sorted(answer["descending"]) == sorted(
        answer["ascending"]
    )
    assert float(answer["descending"][0]) == max(map(float, answer["descending"]))
    assert answer["sort"] == "descending"
    assert answer["families"] == sorted(answer["families"])
    assert set(answer["sintered"]) == {"sintered"}
    assert len(answer["solved"]) == len(small_run.verification.entries)
    assert set(answer["words"]) == {"composite_cathode"}
    assert answer["shown"] == f"{len(answer['words'])} of 150 shown"


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_and_every_picture_is_there(chromium: str, page: Path, width: int) -> None:
    answer = ask(
        chromium,
        page,
        """
        const images = Array.from(document.images);
        return {title: document.title, wide: document.documentElement.scrollWidth, window: window.innerWidth,
                alt: images.map(i => i.alt), sizes: images.map(i => i.src.startsWith("data:") && i.naturalWidth),
                scripts: document.querySelectorAll("[onerror]").length};
        """,
        width,
    )
    assert answer["title"] == "ionscreen: small campaign"
    assert answer["scripts"] == 0
    assert answer["wide"] <= answer["window"]
    assert len(answer["alt"]) == 8
    assert all(answer["alt"])
    assert all(answer["sizes"])


@pytest.mark.parametrize("width", WIDTHS)
def test_light_and_dark_pages_have_their_paper(chromium: str, page: Path, tmp_path: Path, width: int) -> None:
    papers = []
    for scheme in ("1", "0"):  # blink's numbers: light, dark
        picture = tmp_path / f"{scheme}.png"
        browse(
            chromium,
            f"--window-size={width},2000",
            f"--blink-settings=preferredColorScheme={scheme}",
            f"--screenshot={picture}",
            page.as_uri(),
        )
        pixels = imread(picture)[..., :3]
        assert pixels.shape[1] == width
        papers.append(float(pixels[:, :8].mean()))
        assert float(np.ptp(pixels)) > 0.7  # ink on it
    assert papers[0] > 0.95
    assert papers[1] < 0.2


def test_it_prints(chromium: str, page: Path, tmp_path: Path) -> None:
    browse(chromium, f"--print-to-pdf={tmp_path / 'report.pdf'}", page.as_uri())
    content = (tmp_path / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) >= 3


def test_it_loads_nothing(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:|#)""", text)
    assert "default-src 'none'" in text
    assert HOSTILE not in text


def test_intervals_that_do_not_hold_are_said_at_the_top(small_run: CampaignResults) -> None:
    entries = tuple(
        replace(e, prediction=replace(e.prediction, low=2 * e.sigma, high=3 * e.sigma)) if e.sigma > 0 else e
        for e in small_run.verification.entries
    )
    results = replace(small_run, verification=Verification(entries))
    before = small_run.directory.report.read_bytes()
    write_report(results)
    text = small_run.directory.report.read_text(encoding="utf-8")
    small_run.directory.report.write_bytes(before)
    assert "Calibration fails." in text
    assert results.text().strip().startswith("WARNING")
