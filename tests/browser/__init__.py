"""Pages of ours in a real Chromium, driven by Playwright: `./build.sh test browser`.

A test asks for the fixture `surfer` and opens an address; whatever goes wrong in a page behind its back fails it at its end.

    async def test_the_fleet_says_what_to_do_first(surfer: Surfer, tmp_path: Path) -> None:
        async with serving(tmp_path) as server:
            surfer.logs.append(server.log)
            page = await surfer.open(f"{server.url}/", width=390, dark=True)
            await expect(page.get_by_role("heading", name="Fleet")).to_be_visible()
            assert await surfer.axe(page) == []

With `javascript=False` Chromium shows no `<noscript>`: look for what the page says to everybody.
"""
