"""Pages of ours in a real Chromium, driven by Playwright: `./build.sh test browser`.

A test asks for the fixture `surfer` and opens an address; whatever goes wrong in the page behind its back fails the test at its end.

    async def test_the_fleet_says_what_to_do_first(surfer: Surfer) -> None:
        page = await surfer.open(f"{address}/fleet", width=390, dark=True)
        await expect(page.get_by_role("heading", name="Fleet")).to_be_visible()
        assert await surfer.axe(page) == []
"""
