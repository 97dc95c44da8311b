"""Every page on a narrow window: nothing wider than it, no word cut into letters, and a menu that leads everywhere."""

import pytest
from playwright.sync_api import expect

from phalanx.dashboard._sections import GROUPS

pytestmark = pytest.mark.browser

SECTIONS = [section for _, sections in GROUPS for section in sections]
# Words of a table's cells that stand on more than one line: what a column without room does to text.
BROKEN_WORDS = """() => {
  const found = [];
  for (const cell of document.querySelectorAll(".rows th, .rows td")) {
    if (!cell.checkVisibility()) continue;
    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode.textContent;
      // A long name breaks where it must; a word that stands between spaces does not.
      for (const word of text.matchAll(/(?<!\\S)[\\p{L}\\p{N}]{2,12}(?!\\S)/gu)) {
        const range = document.createRange();
        range.setStart(walker.currentNode, word.index);
        range.setEnd(walker.currentNode, word.index + word[0].length);
        if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) found.push(word[0]);
      }
    }
  }
  return found;
}"""


def fits(page, width: int) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url
    assert page.evaluate(BROKEN_WORDS) == [], page.url


@pytest.mark.requirement("API-2")
@pytest.mark.parametrize("width", [390, 800])
def test_no_page_is_wider_than_its_window_and_no_column_narrower_than_a_word(open_page, site, width):
    page = open_page(width=width)
    n_rows = 0
    for path in [section.path for section in SECTIONS] + ["/search?query=last:9999d", "/devices?device=ibm.fake_fez"]:
        page.goto(site.url + path)
        fits(page, width)
        n_rows += page.locator(".rows tr").count()
    assert n_rows > 100
    for listing, first in (("/incidents", "main a[href^='/incidents/']"), ("/workflows", "main a[href*='?run=']")):
        page.goto(site.url + listing)
        page.goto(site.url + page.locator(first).first.get_attribute("href"))
        fits(page, width)


def test_a_table_of_text_is_cards_on_a_phone(open_page):
    page = open_page("/incidents", width=390)
    row = page.locator(".rows tbody tr").first
    assert row.bounding_box()["height"] < 220
    assert (
        page.locator(".rows.cards").evaluate("one => one.parentElement.scrollWidth - one.parentElement.clientWidth")
        == 0
    )
    expect(row.locator("[data-label=Severity]")).to_be_visible()


def test_the_menu_folds_on_a_phone_and_leads_everywhere(open_page):
    page = open_page("/rules", width=390)
    links = page.locator(".sections a:visible")
    assert links.all_inner_texts() == ["Rules"]
    page.get_by_text("Menu").click()
    assert links.all_inner_texts() == [section.label for section in SECTIONS]
    inside(links, 390)
    links.get_by_text("Ledger").click()
    expect(page.get_by_role("heading", name="Signed head")).to_be_visible()


def test_the_folded_menu_opens_by_keyboard(open_page):
    page = open_page("/rules", width=390)
    page.get_by_label("Menu").focus()
    page.keyboard.press("Space")
    assert page.locator(".sections a:visible").count() == len(SECTIONS)


def test_the_menu_is_whole_on_a_tablet(open_page):
    links = open_page("/rules", width=800).locator(".sections a:visible")
    assert links.count() == len(SECTIONS)
    inside(links, 800)


def inside(links, width: int) -> None:
    for link in links.all():
        box = link.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
