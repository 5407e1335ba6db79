"""The report's page in a real browser: it plays, stops, fits a telephone, and
neither asks for anything nor complains."""

import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from musegen_jax.comparison import page, page_charts
from tests.comparison import toy_report

api = pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium")
OPTIONS = (
  "--no-sandbox",
  "--disable-gpu",
  "--autoplay-policy=no-user-gesture-required",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
)
# Listens where the synthesizer's sound leaves it.
EAR = """
const make = AudioContext.prototype.createDynamicsCompressor;
AudioContext.prototype.createDynamicsCompressor = function () {
  const last = make.call(this);
  window.ear = this.createAnalyser();
  last.connect(window.ear);
  return last;
};
"""
LOUDNESS = """() => {
  const sound = new Float32Array(window.ear.fftSize);
  window.ear.getFloatTimeDomainData(sound);
  return Math.max(...sound.map(Math.abs));
}"""
WIDTHS = """() => [
  document.documentElement.scrollWidth,
  document.body.scrollWidth,
  ...[...document.querySelectorAll("main, section, figure, .card, .scroll")]
    .map((box) => Math.ceil(box.getBoundingClientRect().right)),
]"""

pytestmark = pytest.mark.skipif(
  not CHROMIUM, reason="no chromium (Debian: apt-get install chromium)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
  # A busy machine may take long over what it will do.
  api.expect.set_options(timeout=20_000)
  with api.sync_playwright() as playwright:
    browser = playwright.chromium.launch(
      executable_path=CHROMIUM, args=list(OPTIONS)
    )
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def report_page(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  """A page whose every name means no good, with a wide table."""
  folder = tmp_path_factory.mktemp("browser")
  names = (*toy_report.HOSTILE[:3], toy_report.HOSTILE[-1])
  report = toy_report.report(names)
  toy_report.write_samples(folder, report)
  report["tables"][1:], report["curves"]["runs"] = [], []
  keys = [f"wide {number}" for number in range(8)]
  table = report["tables"][0]
  table["columns"] += [toy_report.column(key, "lower") for key in keys]
  for row in table["rows"]:
    row["cells"] |= dict.fromkeys(keys, [1.0, 0.5, 1.5])
  similarity, speed = toy_report.similarity(names), toy_report.speed(names)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(page_charts, "MAX_CHARTS", 2)
    return page.write(report, similarity, speed, folder)


class Visit:
  """A page that is open, and all that it did besides."""

  def __init__(self, browser: Any, path: pathlib.Path, **options: Any) -> None:
    self.seen: list[str] = []
    self.page = browser.new_context(**options).new_page()
    self.page.add_init_script(EAR)
    self.page.on("console", self._said)
    self.page.on("pageerror", lambda error: self.seen.append(f"error: {error}"))
    self.page.on("dialog", self._asked)
    self.page.on("request", self._fetched)
    self.url = path.as_uri()
    self.page.goto(self.url)

  def _said(self, message: Any) -> None:
    if message.type in ("error", "warning"):
      self.seen.append(f"console: {message.text}")

  def _asked(self, dialog: Any) -> None:
    self.seen.append(f"dialog: {dialog.message}")
    dialog.dismiss()

  def _fetched(self, request: Any) -> None:
    if request.url != self.url and not request.url.startswith("data:"):
      self.seen.append(f"request: {request.url}")

  def until(self, holds: Callable[[], bool]) -> None:
    for _ in range(500):
      if holds():
        return
      self.page.wait_for_timeout(20)
    raise AssertionError("it did not happen")

  def sample(self, number: int) -> Any:
    return self.page.locator(".sample").nth(number)


@pytest.fixture
def visit(browser: Any, report_page: pathlib.Path) -> Iterator[Visit]:
  visit = Visit(browser, report_page)
  yield visit
  visit.page.context.close()
  assert visit.seen == []


def test_samples_play_and_stop(visit: Visit) -> None:
  sample = visit.sample(0)
  button, bar = sample.locator(".play"), sample.locator("input")
  api.expect(button).to_have_attribute("aria-pressed", "false")
  button.click()
  api.expect(sample).to_have_attribute("data-state", "playing")
  api.expect(button).to_have_attribute("aria-pressed", "true")
  api.expect(bar).not_to_have_value("0")
  first = float(bar.input_value())
  visit.until(lambda: float(bar.input_value()) > first + 0.3)
  assert 0.001 < visit.page.evaluate(LOUDNESS) <= 1.0
  button.click()
  api.expect(sample).to_have_attribute("data-state", "stopped")
  api.expect(bar).to_have_value("0")
  # Its echo dies away.
  visit.until(lambda: visit.page.evaluate(LOUDNESS) < 1e-3)
  api.expect(bar).to_have_value("0")


def test_one_plays_at_a_time_and_keys_work(visit: Visit) -> None:
  first, second = visit.sample(1), visit.sample(2)
  first.locator(".play").press("Enter")
  api.expect(first).to_have_attribute("data-state", "playing")
  second.locator(".play").press("Space")
  api.expect(second).to_have_attribute("data-state", "playing")
  api.expect(first).to_have_attribute("data-state", "stopped")
  visit.page.keyboard.press("Escape")
  api.expect(second).to_have_attribute("data-state", "stopped")


def test_it_starts_where_the_piano_roll_is_tapped_and_ends(
  visit: Visit,
) -> None:
  sample = visit.sample(3)
  roll, bar = sample.locator(".roll"), sample.locator("input")
  box = roll.bounding_box()
  roll.click(position={"x": 0.9 * box["width"], "y": box["height"] / 2})
  assert 4.5 < float(bar.input_value()) < 6.0
  sample.locator(".play").click()
  # Only the end of a sample takes it back to its beginning.
  api.expect(bar).to_have_value("0")
  api.expect(sample).to_have_attribute("data-state", "stopped")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone_shows_it_all(
  browser: Any, report_page: pathlib.Path, scheme: str
) -> None:
  screen = {"width": 360, "height": 740}
  visit = Visit(
    browser, report_page, viewport=screen, color_scheme=scheme, has_touch=True
  )
  visit.page.evaluate(
    "document.querySelectorAll('details').forEach(d => d.open = true)"
  )
  assert max(visit.page.evaluate(WIDTHS)) <= 360
  table = visit.page.locator(".scroll").first
  head = table.locator("tbody th").first
  left = head.bounding_box()["x"]
  table.evaluate("box => { box.scrollLeft = 1000; }")
  assert head.bounding_box()["x"] == pytest.approx(left, abs=1.5)
  paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
  levels = [int(level) for level in paper[4:-1].split(",")]
  assert (max(levels) < 64) == (scheme == "dark")
  sample = visit.sample(0)
  sample.locator(".roll").tap()
  assert 2.5 < float(sample.locator("input").input_value()) < 3.5
  loaded = "[...document.images].every(i => i.complete && i.naturalWidth > 50)"
  assert visit.page.evaluate(loaded)
  visit.page.context.close()
  assert visit.seen == []


def test_the_policy_stops_what_slipped_in(
  browser: Any, report_page: pathlib.Path
) -> None:
  visit = Visit(browser, report_page)
  visit.page.evaluate("""() => {
    window.ran = [];
    document.body.insertAdjacentHTML("beforeend",
      "<img src=x onerror=ran.push(1)><a href='javascript:ran.push(2)'>x</a>");
    const script = document.createElement("script");
    script.textContent = "ran.push(3)";
    document.body.append(script);
    document.body.lastElementChild.previousElementSibling.click();
  }""")
  refused = "() => fetch('data:,x').then(() => 'went', () => 'refused')"
  assert visit.page.evaluate(refused) == "refused"
  visit.page.wait_for_timeout(50)
  assert visit.page.evaluate("window.ran") == []
  assert len(visit.seen) >= 3
  visit.page.context.close()
