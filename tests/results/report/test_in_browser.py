"""The report in a real headless Chromium, as a person uses it."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chromium import emulate, read_page, set_width, wait_until_drawn
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import ermlab

MakeSweep = Callable[..., Path]
Raw = Callable[[Path], list[dict[str, Any]]]
HOSTILE = "</script><img src=http://127.0.0.1:9/x onerror=window.hacked=1>\u2028'\""
ROWS = """
return [...document.querySelectorAll('#all-runs tbody tr')].filter(row => !row.hidden)
  .map(row => [...row.cells].map(cell => cell.textContent))
"""
WIDER = """
return [...document.querySelectorAll('body *')].filter(each =>
    !each.closest('.scroll') && each.getBoundingClientRect().right > innerWidth + 1)
  .map(each => each.tagName + '.' + each.className)
"""


@pytest.fixture
def sweep(make_sweep: MakeSweep) -> Path:
    """Give a sweep of 18 runs, of which 6 diverged."""
    return make_sweep()


@pytest.fixture
def page(sweep: Path, browser: Any) -> Any:
    """Give the browser with the report open; at the end nothing was asked for or complained of."""
    browser.get(ermlab.report(sweep).as_uri())
    wait_until_drawn(browser)
    yield browser
    done = read_page(browser)
    assert done.requests == []
    assert done.console == []


def column(page: Any, name: str) -> list[str]:
    heads = page.execute_script(
        "return [...document.querySelectorAll('[data-name]')].map(h => h.dataset.name)"
    )
    return [row[heads.index(name)] for row in page.execute_script(ROWS)]


def head(page: Any, name: str) -> Any:
    return page.find_element(By.CSS_SELECTOR, f'th[data-name="{name}"]')


def click(page: Any, element: Any) -> None:
    bring(page, element)
    ActionChains(page).move_to_element(element).click().perform()


def bring(page: Any, element: Any) -> None:
    scroll = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})"
    page.execute_script(scroll, element)


def test_every_picture_is_drawn(page: Any) -> None:
    drawn = page.execute_script(
        "return [...document.querySelectorAll('figure')].map(f => [f.dataset.picture,"
        " f.querySelectorAll('.panels svg').length, f.querySelectorAll('.panels svg *').length])"
    )
    assert {name: n_panels for name, n_panels, _ in drawn} == {
        "curves": 1, "importance": 1, "slice": 2, "heatmap": 1, "timeline": 1,
    }  # fmt: skip
    assert all(n_parts > 10 for _, _, n_parts in drawn)


def test_a_click_sorts_and_another_turns_the_order(page: Any, sweep: Path, raw: Raw) -> None:
    lrs = sorted(run["optimizer.lr"] for run in raw(sweep))
    for order, wanted in (("ascending", lrs), ("descending", lrs[::-1])):
        click(page, head(page, "optimizer.lr").find_element(By.TAG_NAME, "button"))
        assert head(page, "optimizer.lr").get_attribute("aria-sort") == order
        assert [float(text) for text in column(page, "optimizer.lr")] == wanted


def test_missing_values_sort_last_in_both_orders(page: Any) -> None:
    for _ in range(2):
        click(page, head(page, "valid_loss").find_element(By.TAG_NAME, "button"))
        assert column(page, "valid_loss")[-6:] == ["-"] * 6


def test_the_keyboard_sorts(page: Any) -> None:
    button = head(page, "loop.batch_size").find_element(By.TAG_NAME, "button")
    page.execute_script("arguments[0].focus()", button)
    button.send_keys(Keys.ENTER)
    assert column(page, "loop.batch_size") == ["10"] * 9 + ["40"] * 9
    button.send_keys(Keys.SPACE)
    assert column(page, "loop.batch_size") == ["40"] * 9 + ["10"] * 9


@pytest.mark.parametrize(
    ("typed", "n_rows"),
    [
        ("diverged", 6),
        ("status=completed", 12),
        ("lr<0.1", 6),
        ("optimizer.lr>=0.1 batch_size=10", 6),
        ("lr<1 seed!=0", 8),
        ("valid_loss!=0", 18),
        ("valid_loss>0", 12),
        ("nothing like this", 0),
        ("", 18),
    ],
)
def test_the_filter_shows_what_meets_all_words(page: Any, typed: str, n_rows: int) -> None:
    page.find_element(By.ID, "filter").send_keys(typed)
    assert len(page.execute_script(ROWS)) == n_rows
    assert page.find_element(By.ID, "filter-count").text == f"{n_rows} of 18 runs"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("nope<3", "there is no column nope"),
        ("status<3", "status< needs a number"),
        ("lr<x", "lr< needs a number"),
    ],
)
def test_a_filter_that_cannot_be_is_told(page: Any, typed: str, said: str) -> None:
    page.find_element(By.ID, "filter").send_keys(typed)
    assert page.find_element(By.ID, "filter-count").text == said
    assert len(page.execute_script(ROWS)) == 18


@pytest.mark.parametrize(
    ("picture", "shape", "said"),
    [
        ("slice", "circle", "valid_loss"),
        ("heatmap", "rect", "3 runs"),
        ("importance", "rect", "%"),
        ("timeline", "rect", "in a stack of 4"),
    ],
)
def test_pointing_at_a_mark_tells_what_it_is(
    page: Any, picture: str, shape: str, said: str
) -> None:
    mark = page.find_element(By.CSS_SELECTOR, f"figure[data-picture={picture}] g {shape}")
    bring(page, mark)
    ActionChains(page).move_to_element(mark).perform()
    tip = page.find_element(By.ID, "tip")
    assert tip.is_displayed()
    assert said in tip.text
    ActionChains(page).move_to_element(page.find_element(By.TAG_NAME, "h1")).perform()
    assert not tip.is_displayed()


def test_pointing_at_a_curve_tells_its_numbers(page: Any, sweep: Path, raw: Raw) -> None:
    bring(page, page.find_element(By.CSS_SELECTOR, "figure[data-picture=curves] svg[role=img]"))
    place = page.execute_script("""
      const lines = "figure[data-picture=curves] polyline[stroke-width='2']";
      const line = [...document.querySelectorAll(lines)].pop(); // drawn last: the best
      const box = line.ownerSVGElement.getBoundingClientRect();
      const at = line.points[line.points.length - 1];
      return [box.left + at.x, box.top + at.y];
    """)
    actions = ActionChains(page)
    actions.w3c_actions.pointer_action.move_to_location(*map(int, place))
    actions.perform()
    lines = page.find_element(By.ID, "tip").text.splitlines()
    assert "lr=" in lines[0]
    assert lines[1].startswith("epoch [passes over the train split]: 1.5")
    assert "validation loss [squared error]: " in lines[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page: Any, scheme: str) -> None:
    emulate(page, scheme=scheme)
    colours = page.execute_script("""
      const of = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
      return ['--paper', '--ink', '--soft', '--accent'].map(of);
    """)
    paper, *others = [luminance(colour) for colour in colours]
    assert (paper > 0.5) == (scheme == "light")
    body = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert body == f"rgb({', '.join(str(int(colours[0][i : i + 2], 16)) for i in (1, 3, 5))})"
    for other in others:  # 4.5: what WCAG 2 asks for of text
        assert (max(paper, other) + 0.05) / (min(paper, other) + 0.05) >= 4.5


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("width", [360, 1100])
def test_no_page_is_wider_than_its_window(page: Any, width: int) -> None:
    set_width(page, width)
    wait_until_drawn(page)
    assert page.execute_script("return document.documentElement.scrollWidth") == width
    assert page.execute_script(WIDER) == []
    scrolls = page.execute_script(
        "const box = document.querySelector('.tall'); return box.scrollWidth > box.clientWidth"
    )
    assert scrolls == (width == 360)  # the table scrolls in itself


def test_pictures_are_drawn_anew_for_a_narrow_window(page: Any) -> None:
    set_width(page, 360)
    wait_until_drawn(page)
    widths = page.execute_script(
        "return [...document.querySelectorAll('.panels svg')].map(s => s.viewBox.baseVal.width)"
    )
    assert all(250 < width <= 360 for width in widths)


def test_print_shows_the_whole_table_and_no_tools(page: Any) -> None:
    emulate(page, scheme="dark", media="print")
    shown = "return getComputedStyle(document.querySelector(arguments[0])).display"
    assert page.execute_script(shown, "nav") == "none"
    assert page.execute_script(shown, ".tools") == "none"
    height = (
        "const box = document.querySelector('.tall'); return box.scrollHeight - box.clientHeight"
    )
    assert page.execute_script(height) <= 1
    assert luminance(page.execute_script(
        "return getComputedStyle(document.documentElement).getPropertyValue('--paper').trim()"
    )) == pytest.approx(1)  # fmt: skip
    pdf = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert pdf.startswith(b"%PDF")


def test_every_control_has_a_name(page: Any) -> None:
    nodes = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = ("button", "link", "searchbox", "img", "image", "table", "region", "textbox")
    nameless = [
        node["role"]["value"] for node in nodes
        if not node.get("ignored") and node["role"]["value"] in roles
        and node["role"]["value"] != "table" and not node.get("name", {}).get("value")
    ]  # fmt: skip
    assert nameless == []
    assert any(node["role"]["value"] == "searchbox" for node in nodes if not node.get("ignored"))


def test_hostile_text_does_nothing(make_sweep: MakeSweep, browser: Any) -> None:
    make_sweep("both/a", lrs=(0.1,), **{"model": HOSTILE, f"model.{HOSTILE}": HOSTILE})
    sweep = make_sweep("both/b", lrs=(0.1,), model="x", error=HOSTILE).parent
    browser.get(ermlab.report(sweep).as_uri())
    assert browser.execute_script("return window.hacked") is None
    assert browser.execute_script("return document.images.length") == 0
    assert len(browser.execute_script(ROWS)) == 12
    done = read_page(browser)
    assert (done.requests, done.console) == ([], [])


def test_the_policy_stops_what_would_get_into_the_page(page: Any) -> None:
    page.execute_script("""
      const image = new Image(); image.src = 'http://127.0.0.1:9/x'; document.body.append(image);
      const script = document.createElement('script'); script.textContent = 'window.hacked = 1';
      document.body.append(script);
    """)
    assert page.execute_script("return window.hacked") is None
    done = read_page(page)
    assert any("violates the following Content Security Policy" in line for line in done.console)
