"""People, tokens, the own account, test messages: who may do what, and what an operator's form really does."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.browser.scene import PASSWORD, Scene, staged
from tests.unit.web.visitor import Visitor, visiting
from vetting.config import Channel, Config
from vetting.domain.errors import NotAllowed
from vetting.store import audit


@dataclass
class House:
    scene: Scene
    operator: Visitor
    viewer: Visitor
    hooked: list[bytes]

    async def deeds(self) -> list[tuple[str, str, str, str]]:
        found = await self.scene.server.store.read(lambda: audit.entries())
        return [(one.who, one.what, one.target, one.why) for one in found]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One for all of them: passwords take their time."""
    hooked: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        hooked.append(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    async with AsyncExitStack() as stack:
        hook = await stack.enter_async_context(TestServer(app, host="127.0.0.1"))

        def change(config: Config) -> Config:
            here = Channel(name="hook", url=f"json://127.0.0.1:{hook.port}/hook")
            gone = Channel(name="gone", url="json://127.0.0.1:9/hunter2")
            return replace(config, notify=(here, gone))

        scene = await stack.enter_async_context(staged(tmp_path_factory.mktemp("house"), change=change))
        operator = await stack.enter_async_context(visiting(scene, await scene.operator()))
        viewer = await stack.enter_async_context(visiting(scene, await scene.viewer()))
        yield House(scene, operator, viewer, hooked)


async def test_a_viewer_reaches_nothing_that_changes_people_tokens_or_channels(house: House) -> None:
    before = await house.deeds()
    for path in ("/people", "/people-add", "/people/mira/remove", "/tokens", "/tokens/issue", "/settings/notify/0"):
        assert (await house.viewer.see(path)).status == 403, path
        if path not in ("/people", "/tokens"):
            assert (await house.viewer.send(path, name="x", role="operator")).status == 403, path
    assert await house.deeds() == before
    assert not house.hooked


async def test_a_person_is_added_changed_and_removed(house: House) -> None:
    said = {"name": "ann", "role": "viewer", "password": PASSWORD, "again": PASSWORD}
    assert (await house.operator.send("/people-add", **said)).headers["Location"] == "/people"
    assert "ann may sign in from now on, as a viewer." in (await house.operator.see("/people")).text
    accounts = house.scene.server.accounts
    await accounts.sign_in(name="ann", password=PASSWORD, peer="127.0.0.1")
    assert "ann is a viewer and becomes an operator" in (await house.operator.see("/people/ann/role")).text
    for act, fields in (
        ("role", {"role": "operator"}), ("disable", {}), ("enable", {}), ("sign-out", {}),
        ("password", {"password": "another long password", "again": "another long password"}),
    ):  # fmt: skip
        assert (await house.operator.send(f"/people/ann/{act}", **fields)).status == 303, act
    assert (await accounts.person("ann")).role == "operator"
    again = await house.operator.send("/people/ann/role", role="operator")  # on a page from before
    assert (again.status, "they are an operator now" in again.text) == (409, True)
    with pytest.raises(NotAllowed):
        await accounts.sign_in(name="ann", password=PASSWORD, peer="127.0.0.1")
    await house.operator.send("/people/ann/remove", reason="has left us")
    assert ("mira", "user.remove", "ann", "has left us") in await house.deeds()
    assert (await house.operator.see("/people/ann/role")).status == 404


async def test_what_was_typed_is_kept_when_it_is_refused_but_no_password(house: House) -> None:
    said = {"name": "an n", "role": "operator", "password": PASSWORD, "again": PASSWORD}
    seen = await house.operator.send("/people-add", **said)
    assert seen.status == 400
    assert 'value="an n"' in seen.raw
    assert re.search(r'value="operator" checked', seen.raw)
    assert PASSWORD not in seen.raw
    seen = await house.operator.send("/people-add", **{**said, "name": "ann", "again": "x"})
    assert "the two passwords differ" in seen.text


async def test_the_last_operator_can_neither_go_nor_be_kept_out(house: House) -> None:
    for act in ("role", "disable", "remove"):
        seen = await house.operator.send(f"/people/mira/{act}", role="viewer")
        assert (seen.status, "is the last operator who can sign in" in seen.text) == (409, True), act
    assert (await house.operator.see("/people/mira/fly")).status == 404


async def test_a_token_is_shown_once_and_works_until_it_is_revoked(house: House) -> None:
    seen = await house.operator.send("/tokens/issue", name="graf <ana>", role="viewer")
    found = re.search(r"<pre class=\"secret\" tabindex=\"0\"><code>([\w-]{43})</code>", seen.raw)
    assert found
    token = found.group(1)
    assert seen.headers["Cache-Control"] == "no-store"
    people = house.scene.server.desk.people
    assert await people.person_of(token) == ("graf <ana>", "viewer")
    listed = await house.operator.see("/tokens")
    assert token not in listed.raw
    assert "graf &lt;ana&gt;" in listed.raw
    assert (await house.operator.send("/tokens/issue", name="graf <ana>", role="viewer")).status == 409
    assert (await house.operator.send("/tokens/revoke", name="graf <ana>", reason="lost")).status == 303
    with pytest.raises(NotAllowed):
        await people.person_of(token)
    assert ("mira", "token.revoke", "graf <ana>", "lost") in await house.deeds()
    seen = await house.operator.send("/tokens/revoke", name="local command line")
    assert (seen.status, "this token is the command line's" in seen.text) == (409, True)


async def test_one_changes_ones_own_password_and_stays_signed_in(house: House) -> None:
    new = "an even longer password"
    async with visiting(house.scene, await house.scene.viewer("olga")) as olga:
        seen = await olga.send("/account", old="wrong", password=new, again=new)
        assert (seen.status, "the old password is wrong" in seen.text) == (400, True)
        assert (await olga.send("/account", old=PASSWORD, password=new, again=new)).status == 303
        page = await olga.see("/account")
        assert "this browser" in page.text
        assert page.raw.count("ends at the latest") == 2  # the column, and one session
        other = await house.scene.server.accounts.sign_in(name="olga", password=new, peer="192.0.2.7")
        assert "192.0.2.7" in (await olga.see("/account")).text
        assert (await olga.send("/account/sign-out")).headers["Location"] == "/sign-in"
        assert (await olga.see("/account")).status == 303
        assert await house.scene.server.accounts.session(other.secret) is None


async def test_a_test_message_really_goes_out_and_is_written_down(house: House) -> None:
    assert "json://127.0.0.1" in (await house.operator.see("/settings/notify/0")).text
    assert (await house.operator.send("/settings/notify/0")).headers["Location"] == "/settings#notify"
    (got,) = house.hooked
    assert b"mira sent this from" in got
    assert "hook took the test message" in (await house.operator.see("/settings")).text
    assert ("mira", "notify.test", "hook", "") in await house.deeds()


async def test_a_channel_that_cannot_be_reached_is_told_with_the_reason_and_without_its_secret(house: House) -> None:
    seen = await house.operator.send("/settings/notify/1")
    assert seen.status == 503
    assert "gone was not reached" in seen.text
    assert "Connection refused" in seen.text
    assert "hunter2" not in seen.raw
    assert (await house.operator.send("/settings/notify/2")).status == 404
