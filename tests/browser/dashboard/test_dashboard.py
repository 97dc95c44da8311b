"""The dashboard in a real browser: live, legible, reachable by keyboard, and silent in the console."""

import itertools
import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

_numbers = itertools.count(1)

# Text whose contrast with what is behind it is below WCAG AA, as [text, ratio].
LOW_CONTRAST = """() => {
  const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility() || element.closest("svg, .hidden-text, .skip")) continue;
    const style = getComputedStyle(element);
    const [front, back] = [light(parse(style.color)), light(behind(element))];
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    const size = parseFloat(style.fontSize);
    const enough = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    if (ratio < enough) found.push([text.slice(0, 40), ratio.toFixed(2)]);
  }
  return found;
}"""


def cleared_log(site):
    """An event from which everything follows, on a host of its own."""
    host = f"srv-{next(_numbers):03}.corp.example"
    return host, site.post(
        EventTime="2026-03-02 11:00:00", Hostname=host, EventID=1102, Channel="Security",
        SourceName="Microsoft-Windows-Eventlog", SubjectUserName="svc-backup",
    )  # fmt: skip


@pytest.mark.requirement("API-2")
def test_an_event_appears_and_travels_to_the_ledger_while_one_watches(open_page, site):
    page = open_page()
    expect(page.locator("#stream-state")).to_have_text("Live")
    expect(page.locator("[data-counter=events]")).to_have_text(re.compile(r"^\d,\d{3}$"))
    before = int(page.locator("[data-counter=ledger_entries]").inner_text().replace(",", ""))
    page.evaluate("window.untouched = true")
    host, trace = cleared_log(site)
    row = page.locator(f"[id='way-{trace}']")
    expect(row).to_contain_text(host)
    expect(row.locator("[data-label=Ledger] .what")).to_contain_text("#")
    expect(row.locator("[data-label=Analysis] .tag")).to_have_text("simulated")
    expect(page.locator("#ways tr").first).to_have_id(f"way-{trace}")
    expect(page.locator("[data-counter=ledger_entries]")).not_to_have_text(str(before))
    assert page.evaluate("window.untouched"), "the page was loaded anew"
    expect(page.locator("#announcement")).to_contain_text("finding", timeout=15_000)


def test_the_chart_is_drawn_by_the_library_of_this_machine(open_page):
    page = open_page()
    expect(page.locator("#rate .main-svg").first).to_be_visible(timeout=30_000)
    drawn = page.locator("#rate .scatterlayer path.js-line")
    expect(drawn).to_have_attribute("d", re.compile("^M.*L"))
    newest = "document.getElementById('rate').data[0].x.at(-1)"
    page.wait_for_function(f"before => {newest} !== before", arg=page.evaluate(newest))
    # Five minutes of seconds, whatever was there when the page was made.
    assert 250 <= page.evaluate("document.getElementById('rate').data[0].x.length") <= 310


def test_the_chart_counts_whole_events_and_findings(open_page):
    page = open_page()
    expect(page.locator("#rate .main-svg").first).to_be_visible(timeout=30_000)
    ticks = page.evaluate(
        """async () => {
          const { RateChart } = await import("/assets/chart.js");
          const box = document.createElement("div");
          box.className = "chart";
          document.querySelector("main").append(box);
          const now = Date.now() / 1000;
          new RateChart(box, [[now - 10, 0, 0], [now - 9, 1, 1], [now - 8, 0, 0]]);
          return ["ytick", "y2tick"].map((side) =>
            [...box.querySelectorAll(`.${side} text`)].map((text) => text.textContent));
        }"""
    )
    assert ticks == [["0", "1"], ["0", "2", "4"]]


def test_a_paused_page_holds_still_and_catches_up(open_page, site):
    page = open_page()
    expect(page.locator("#stream-state")).to_have_text("Live")
    page.get_by_role("button", name="Pause").click()
    _, trace = cleared_log(site)
    expect(page.locator("#stream-state")).to_have_text("Paused")
    page.wait_for_timeout(1_000)
    assert page.locator(f"[id='way-{trace}']").count() == 0
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(f"[id='way-{trace}']")).to_be_visible()


def test_a_broken_stream_is_taken_up_again_with_nothing_missing(open_page, site):
    page = open_page()
    expect(page.locator("#stream-state")).to_have_text("Live")

    async def cut():
        site.node.telemetry.feed.close()

    # The state is short: what it was is written down, since a look at it could come too late.
    page.evaluate("""() => {
      const state = document.getElementById("stream-state");
      window.states = [];
      new MutationObserver(() => window.states.push(state.textContent)).observe(state, {childList: true});
    }""")
    site.run(cut)
    page.wait_for_function("() => window.states.includes('Reconnecting')")
    _, trace = cleared_log(site)
    expect(page.locator("#stream-state")).to_have_text("Live", timeout=15_000)
    expect(page.locator(f"[id='way-{trace}']")).to_be_visible()


def test_a_full_disk_shows_and_so_does_its_end(open_page, site):
    page = open_page()
    expect(page.locator("#node-state")).to_have_text("Ready")

    site.disk.full = True
    try:
        assert site.send(message="one too many").status_code == 507
        expect(page.locator("#node-state")).to_have_text("Read-only")
    finally:
        site.disk.full = False
    # The node itself finds out that there is room, and writes on.
    expect(page.locator("#node-state")).to_have_text("Ready", timeout=15_000)


def test_a_page_whose_session_is_over_leads_to_the_login(open_page, site):
    page = open_page()
    expect(page.locator("#stream-state")).to_have_text("Live")
    other = page.context.new_page()
    other.goto(site.url)
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    other.close()
    # The refused refresh is an error in the console, and the only one that is meant.
    page.evaluate("window.fetch = () => Promise.resolve(new Response(null, {status: 401}))")
    cleared_log(site)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_everything_can_be_reached_by_keyboard(open_page, site):
    page = open_page()
    expect(page.locator("#stream-state")).to_have_text("Live")
    expect(page.locator("#rate .main-svg").first).to_be_visible(timeout=30_000)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    expect(page.locator("#ways a").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".story-head h1")).to_be_visible()
    summary = page.locator("details.record > summary").first
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator("details.record").first).to_have_attribute("open", "")


@pytest.mark.requirement("API-2")
@pytest.mark.parametrize(
    ("name", "width", "scheme"), [("light", 1440, "light"), ("dark", 1440, "dark"), ("phone", 390, "light")]
)
def test_pages_are_legible_and_fit(open_page, site, artifacts, name, width, scheme):
    page = open_page(width=width, height=1000, scheme=scheme)
    expect(page.locator("#rate .main-svg").first).to_be_visible(timeout=30_000)
    expect(page.locator("[data-counter=events_per_second]")).not_to_have_text("–")

    def look(what):
        page.screenshot(path=artifacts / f"dashboard-{what}-{name}.png", full_page=width < 500)
        assert page.evaluate(LOW_CONTRAST) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("main").count() == page.locator("h1").count() == 1

    def go(section):
        if width < 500:
            page.get_by_text("Menu").click()
        page.get_by_role("link", name=section, exact=True).click()

    look("live")
    page.locator("tr.way:has(.tag.good) a").first.click()
    expect(page.locator(".story-head h1")).to_be_visible()
    look("story")
    for record in page.locator("details.record").all():
        record.evaluate("one => { one.open = true; }")
    look("records")
    go("Ledger")
    expect(page.get_by_role("heading", name="Signed head")).to_be_visible()
    look("ledger")
    go("Keys")
    expect(page.get_by_role("heading", name="Identities")).to_be_visible()
    look("keys")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    look("login")


def test_the_story_names_the_simulator_and_the_verified_proof(open_page, site):
    _, trace = cleared_log(site)
    page = open_page(f"/trace/{trace}")
    expect(page.locator(".facts .origin").first).to_contain_text("simulated")
    expect(page.locator(".facts").get_by_text("verified", exact=True)).to_be_visible()
    with page.expect_response("**/proof") as answered:
        page.get_by_role("link", name="proof of entry").first.click()
    assert answered.value.json()["path"] is not None


def test_whoever_wants_less_motion_gets_none(open_page):
    page = open_page(reduced_motion="reduce")
    animated = (
        "[...document.querySelectorAll('*')].filter(one => getComputedStyle(one).animationName !== 'none').length"
    )
    assert page.evaluate(animated) == 0


def test_without_scripts_the_page_still_tells_everything(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator("tr.way").count() > 10
    expect(page.locator("#pause")).to_be_hidden()
    page.locator("tr.way a").first.click()
    expect(page.locator(".story-head h1")).to_be_visible()
