"""Takes the pictures of the page in docs/pictures: `python3 -m tools.page_pictures http://127.0.0.1:8080`.

It needs a running platform with markets, and Debian's Chromium.
"""

import shutil
import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

PICTURES: Final = Path(__file__).parents[1] / "docs/pictures"
_PHOTO: Final = Path(__file__).parents[1] / "tests/imaging/photos/city.jpg"
_DESKTOP: Final = (1280, 900)
_PHONE: Final = (390, 844)


def main(address: str) -> None:
    """Take all pictures."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        take(browser, f"{address}/", "page-desktop-light", _DESKTOP, "light")
        take(browser, f"{address}/?lang=en&when=month", "page-desktop-dark", _DESKTOP, "dark")
        take(browser, f"{address}/?when=weekend", "page-phone-light", _PHONE, "light")
        take(browser, f"{address}/?q=kbh", "page-phone-dark", _PHONE, "dark")
        take(browser, f"{address}/", "page-market", _DESKTOP, "light", click=".cards a")
        take(browser, f"{address}/", "page-face-blur", _DESKTOP, "light", photo=True)
        browser.close()


def take(  # noqa: PLR0913, PLR0917 - what a picture is of
    browser: Browser,
    address: str,
    name: str,
    size: tuple[int, int],
    look: str,
    click: str = "",
    *,
    photo: bool = False,
) -> None:
    """Open an address in a look, and take a picture of it."""
    width, height = size
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if look == "dark" else "light",
        locale="da-DK",
    )
    page.goto(address)
    if click:
        page.locator(click).first.click()
        page.wait_for_load_state()
    if photo:
        page.set_input_files("#photo", _PHOTO)
        page.click("#blur-form button")
        page.wait_for_selector("#blur-result:not([hidden])")
        page.locator(".blur").screenshot(path=PICTURES / f"{name}.png")
    else:
        page.screenshot(path=PICTURES / f"{name}.png")
    page.close()


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
