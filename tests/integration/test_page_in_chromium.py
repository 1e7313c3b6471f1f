"""The page in a real Chromium, without a window: drawn, filtered, copied, on a phone, in the dark, without JavaScript."""

import base64
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from downloader.compare import page, picture
from downloader.compare.measurements import Study
from downloader.compare.page.series import label
from tests.support.sample_study import MODELS, PEERS

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        DRIVER is None or picture.browser() is None,
        reason="chromium and chromedriver are not installed (Debian: chromium-driver)",
    ),
]
ALL = len(MODELS) + len(PEERS)


class Page:
    """One page in one browser, driven by its commands and by what DevTools can do."""

    def __init__(self, driver: Any, source: Path) -> None:
        self.driver = driver
        self.source = source

    def open(self, width: int = 1280, scheme: str = "light") -> None:
        """Load it anew, wait until it is drawn."""
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
        self.prefer(scheme)
        self.driver.get(self.source.as_uri())
        self.wait()

    def tell(self, command: str, **what: Any) -> Any:
        """A DevTools command."""
        return self.driver.execute_cdp_cmd(command, what)

    def prefer(self, scheme: str) -> None:
        """Light or dark."""
        self.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def run(self, script: str, *arguments: Any) -> Any:
        """What the script returns."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: str = "'drawn' in document.documentElement.dataset") -> None:
        """Until it holds; what is drawn when the browser is idle is drawn by then."""
        deadline = time.monotonic() + 60
        while not self.run(f"return {condition}"):
            assert time.monotonic() < deadline, condition
            time.sleep(0.02)

    def press(self, selector: str) -> None:
        """Focus a button and press the space bar on it, as from a keyboard."""
        self.run("document.querySelector(arguments[0]).focus()", selector)
        for kind in ("keyDown", "keyUp"):
            self.tell("Input.dispatchKeyEvent", type=kind, key=" ", code="Space", text=" ", windowsVirtualKeyCode=32)
        self.wait()

    def shown(self) -> dict[str, list[str]]:
        """By chart: the strategies that it draws."""
        found: dict[str, list[str]] = self.run(
            """return Object.fromEntries([...document.querySelectorAll('.plot')].map((chart) =>
                 [chart.id, [...new Set(chart.data.map((trace) => trace.meta).filter(Boolean))]]))"""
        )
        return found


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = picture.browser()
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield running
    running.quit()


@pytest.fixture(scope="module")
def opened(driver: Any, study: Study, tmp_path_factory: pytest.TempPathFactory) -> Page:
    source = tmp_path_factory.mktemp("page") / "report.html"
    page.write(study, source)
    return Page(driver, source)


def test_all_charts_are_drawn_without_a_word_on_the_console_or_a_request(opened: Page, study: Study) -> None:
    opened.driver.get_log("performance")
    opened.open()
    shown = opened.shown()
    assert len(shown) == 7 * len(study.comparisons) + 3
    for name, strategies in shown.items():
        traced = name.partition("-")[0] in ("first", "queue", "timelines", "seconds", "each")
        assert len(strategies) == (ALL - len(PEERS) if traced else ALL - len(PEERS) - 1 if name.startswith("jobs") else ALL)
    drawn = opened.run(
        """return [...document.querySelectorAll('.plot')].map((chart) =>
             [...chart.querySelectorAll('.points path, .lines path, .shapelayer path')]
               .filter((path) => path.getBBox().width + path.getBBox().height > 0).length)"""
    )
    assert min(drawn) >= ALL - len(PEERS) - 1
    assert opened.driver.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in opened.driver.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [opened.source.as_uri()]


@pytest.mark.slow
def test_button_of_a_strategy_filters_charts_and_tables(opened: Page) -> None:
    opened.open()
    button = "button[data-filter='threads']"
    before = opened.shown()
    rows = "return [...document.querySelectorAll('tr[data-row=\"threads\"]')].map((row) => row.checkVisibility())"
    opened.run("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
    assert set(opened.run(rows)) == {True}
    opened.run("document.querySelector(arguments[0]).click()", button)
    opened.wait()
    assert opened.shown() == {name: [item for item in names if item != "threads"] for name, names in before.items()}
    assert set(opened.run(rows)) == {False}
    labels = "return [...document.querySelectorAll('.chart svg text')].map((text) => text.textContent)"
    assert "threads" not in opened.run(labels)
    assert opened.run("return document.querySelector(arguments[0]).getAttribute('aria-pressed')", button) == "false"
    told = opened.run("return document.querySelector('[aria-live]').textContent")
    assert told == f"threads is hidden. {ALL - 1} of {ALL} shown."
    opened.press(button)
    assert opened.shown() == before
    assert set(opened.run(rows)) == {True}
    for name in opened.run("return [...document.querySelectorAll('button[data-filter]')].map((item) => item.dataset.filter)"):
        opened.run("document.querySelector(`button[data-filter='${arguments[0]}']`).click()", name)
    opened.wait()
    assert set(map(len, opened.shown().values())) == {0}
    opened.run("document.querySelector('.filter .plain').click()")
    opened.wait()
    assert opened.shown() == before


def test_one_timeline_is_chosen_and_ordered_by_worker(opened: Page) -> None:
    opened.open()
    chart = "timelines-scenario-1"
    opened.press(f"[data-figure={chart}] button[value='threads']")
    assert opened.shown()[chart] == ["threads"]
    opened.press(f"[data-figure={chart}] button[value='worker']")
    labels = opened.run(
        "return [...document.getElementById(arguments[0]).querySelectorAll('.ytick')].map((tick) => tick.textContent)", chart
    )
    assert labels[:3] == ["thread 1", "thread 2", "thread 3"]
    opened.press("button[data-filter='threads']")  # what is hidden everywhere is not shown alone
    assert opened.shown()[chart] == [model.name for model in MODELS if model.name != "threads"]
    assert opened.run("return document.querySelector(`[data-figure=${arguments[0]}] button[value=threads]`).disabled", chart)


def test_tables_are_copied_with_and_without_a_clipboard(opened: Page, study: Study) -> None:
    opened.open()
    opened.run(
        """navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); };
           document.querySelector("button[data-filter='serial']").click();
           document.querySelector("button[data-copy='overview']").click()"""
    )
    opened.wait("document.getElementById('status').textContent.startsWith('Copied')")
    lines = [line.split("\t") for line in opened.run("return window.copied").splitlines()]
    assert lines[0] == ["strategy", "latency, s", "flaky, s"]
    assert [line[0] for line in lines[1:]] == [label(row) for row in study.comparisons[0].rows if row.strategy != "serial"]
    assert float(lines[1][1]) == pytest.approx(study.comparisons[0].rows[1].elapsed, rel=1e-7)
    opened.run(
        """navigator.clipboard.writeText = () => Promise.reject(new Error("not allowed"));
           document.addEventListener("copy", () => { window.selected = document.activeElement.value; });
           document.getElementById("status").textContent = "";
           document.querySelector("button[data-copy='overview']").focus()"""
    )
    opened.press("button[data-copy='overview']")  # a gesture, as the command asks for
    opened.wait("document.getElementById('status').textContent !== ''")
    assert opened.run("return window.selected") == opened.run("return window.copied")
    assert opened.run("return document.activeElement.dataset.copy") == "overview"


@pytest.mark.parametrize("width", [360, 1280])
def test_page_never_scrolls_sideways(opened: Page, width: int) -> None:
    opened.open(width)
    opened.run("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
    assert opened.run("return document.documentElement.scrollWidth") == width
    wide = opened.run(
        """return [...document.querySelectorAll('.chart svg')].filter((box) =>
             box.getBoundingClientRect().right > innerWidth || box.getBoundingClientRect().left < 0).length"""
    )
    assert wide == 0
    assert (
        opened.run("return [...document.querySelectorAll('.scroll')].some((box) => box.scrollWidth > box.clientWidth)")
        or width > 360
    )


TEXTS = """
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = parse(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const light = (colour) => colour.map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const found = [];
  document.querySelectorAll('body *:not(script):not(style):not(noscript)').forEach((element) => {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility()) return;
    const style = getComputedStyle(element);
    const colour = parse(element.closest('svg') ? style.fill : style.color).slice(0, 3);
    const [more, less] = [light(colour), light(behind(element))].sort((a, b) => b - a);
    found.push([(more + 0.05) / (less + 0.05), element.textContent.trim().slice(0, 40)]);
  });
  return found;
"""


def test_dark_is_followed_while_it_is_open_and_all_text_stands_out(opened: Page) -> None:
    opened.open(scheme="light")
    fills = (
        "return [...document.querySelectorAll('#elapsed-scenario-1 .point path')].map((path) => getComputedStyle(path).fill)"
    )
    found = {}
    for scheme in ("light", "dark"):
        opened.prefer(scheme)
        opened.wait(f"document.documentElement.dataset.drawn === '{scheme}'")  # the page hears of it a moment later
        texts = opened.run(TEXTS)
        assert len(texts) > 300
        assert [text for ratio, text in texts if ratio < 4.5] == []
        found[scheme] = (opened.run("return getComputedStyle(document.body).backgroundColor"), opened.run(fills))
    assert found["light"][0] != found["dark"][0]
    assert len(found["light"][1]) == len(found["dark"][1]) == ALL
    assert all(light != dark for light, dark in zip(found["light"][1], found["dark"][1], strict=True) if "url" not in light)


def test_everything_has_a_name_and_charts_have_words(opened: Page) -> None:
    opened.open()
    nodes = opened.tell("Accessibility.getFullAXTree")["nodes"]
    told = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")]
    for role in ("button", "figure", "image", "region", "table", "link", "navigation"):
        names = [name for found, name in told if found == role]
        assert names, role
        assert all(name.strip() for name in names), role
    assert opened.run("return document.querySelectorAll('[role=group]:not([aria-label])').length") == 0
    pictures = [name for role, name in told if role == "image"]
    assert any("was the fastest strategy with" in name for name in pictures)
    assert all(any(model.name in name for model in MODELS) for name in pictures)
    assert {"main", "banner", "contentinfo", "status"} <= {role for role, _ in told}
    assert "graphics-symbol" not in {role for role, _ in told}


def test_without_javascript_words_and_tables_are_there(opened: Page) -> None:
    opened.tell("Emulation.setScriptExecutionDisabled", value=True)
    try:
        opened.driver.get(opened.source.as_uri())
        nodes = opened.tell("Accessibility.getFullAXTree")["nodes"]
    finally:
        opened.tell("Emulation.setScriptExecutionDisabled", value=False)
    told = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")]
    assert sum(role == "table" for role, _ in told) == 1 + 2 * 4 + 2 + 1
    assert not [name for role, name in told if role == "button"]
    text = " ".join(name for role, name in told if role == "StaticText")
    assert "JavaScript, which draws the charts, is disabled." in text
    assert "Times as fast as serial:" in text


@pytest.mark.slow
def test_picture_is_a_png_with_the_bars_in_it(driver: Any, study: Study, tmp_path: Path) -> None:
    target = tmp_path / "still.png"
    picture.write(study, target)
    data = target.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [target]
    driver.get("about:blank")
    width, height, found = driver.execute_async_script(
        """const [source, wanted, done] = arguments;
           const image = new Image();
           image.onload = () => {
             const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
             const brush = canvas.getContext("2d");
             brush.drawImage(image, 0, 0);
             const pixels = new Uint32Array(brush.getImageData(0, 0, image.width, image.height).data.buffer);
             done([image.width, image.height, wanted.map((colour) => pixels.filter((pixel) => pixel === colour).length)]);
           };
           image.src = source;""",
        "data:image/png;base64," + base64.b64encode(data).decode(),
        [0xFF000000 | colour[2] << 16 | colour[1] << 8 | colour[0] for colour in ((0x00, 0x80, 0x5F), (0xD0, 0x80, 0x00))],
    )
    assert width == picture.PAGE_WIDTH * picture.SCALE
    assert height > 1500
    assert min(found) > 2000  # pixels of multiplex and of threads
