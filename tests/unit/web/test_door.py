"""The door of the console: who gets in, from where, with which form; and what every answer carries."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import pytest_asyncio

from tests.browser.scene import PASSWORD, Guest, Scene, staged
from tests.unit.web.raw import FORM, Answer, ask, post
from vetting.config import Config
from vetting.domain.errors import Unavailable
from vetting.gate import HEADERS
from vetting.web.door import CSP
from vetting.web.forms import is_token_of, masked
from vetting.web.pages.signing import home
from vetting.web.routes import PAGES
from vetting.web.visit import Need, Page
from vetting.web.who import COOKIE, THEME

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOREIGN = "https://evil.example"
SHOWN = [page for page in PAGES if page.show is not None]
DONE = [page for page in PAGES if page.do is not None]
INSIDE = [page for page in PAGES if page.need is not Need.ANYONE]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with staged(tmp_path_factory.mktemp("door")) as scene:
        await scene.hosts(1)
        yield scene


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator(scene: Scene) -> Guest:
    return await scene.operator()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def viewer(scene: Scene, operator: Guest) -> Guest:
    return await scene.viewer()


def path_of(page: Page) -> str:
    """With something that fits in the place of each variable."""

    def filled(found: re.Match[str]) -> str:
        pattern = found[2] or "[^/]+"
        fitting = (one for one in ("1", "x", "json", "html", "52:54:00:00:00:01") if re.fullmatch(pattern, one))
        return next(fitting)

    return re.sub(r"\{(\w+)(?::((?:[^{}]|\{[^{}]*\})+))?\}", filled, page.path)


def named(page: Page) -> str:
    return page.path


def refused_and_nothing_said(answer: Answer, status: int) -> None:
    assert answer.status == status, (answer.status, answer.text[:500])
    assert "<h1>" in answer.text
    assert "Traceback" not in answer.text
    check_headers(answer)


# --- who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [one for one in INSIDE if one.show is not None], ids=named)
async def test_a_stranger_is_sent_to_sign_in_and_sees_nothing(scene: Scene, operator: Guest, page: Page) -> None:
    path = path_of(page)
    answer = await ask(scene, "GET", path, Cookie=f"{COOKIE}={'x' * 43}")
    if path == "/live":
        assert (answer.status, answer.body) == (401, b"signed out")
        return
    assert (answer.status, answer.body) == (303, b"")
    assert unquote(answer.header("Location")) == f"/sign-in?next={path}"
    check_headers(answer)


@pytest.mark.parametrize("cookie", ["", "=", "x" * 3000, "é", '"', "a; a=b"])
async def test_a_cookie_of_another_shape_is_nobodys(scene: Scene, operator: Guest, cookie: str) -> None:
    answer = await ask(scene, "GET", "/", Cookie=f"{COOKIE}={cookie}")
    assert (answer.status, answer.body) == (303, b"")


@pytest.mark.parametrize("page", [one for one in DONE if one.need is not Need.ANYONE], ids=named)
async def test_a_stranger_does_nothing(scene: Scene, operator: Guest, page: Page) -> None:
    refused_and_nothing_said(await post(scene, path_of(page), None), 401)


@pytest.mark.parametrize("page", [one for one in DONE if one.need is Need.OPERATOR], ids=named)
async def test_a_viewer_changes_nothing(scene: Scene, viewer: Guest, page: Page) -> None:
    answer = await post(scene, path_of(page), viewer)
    refused_and_nothing_said(answer, 403)
    assert "may look but not change" in answer.text


@pytest.mark.parametrize("page", [one for one in SHOWN if one.need is Need.OPERATOR], ids=named)
async def test_a_viewer_does_not_see_what_is_for_operators(scene: Scene, viewer: Guest, page: Page) -> None:
    refused_and_nothing_said(await ask(scene, "GET", path_of(page), guest=viewer), 403)


@pytest.mark.parametrize("page", DONE, ids=named)
async def test_a_form_of_another_site_does_nothing(scene: Scene, operator: Guest, page: Page) -> None:
    for who in (operator, None) if page.need is Need.ANYONE else (operator,):  # nor does it sign anybody in
        answer = await post(scene, path_of(page), who, Origin=FOREIGN, Sec_Fetch_Site="cross-site")
        refused_and_nothing_said(answer, 403)
        assert answer.cookies == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": FOREIGN},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "null"},
        {"Origin": "", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "", "Sec_Fetch_Site": "same-site"},
        {"Origin": "", "Sec_Fetch_Site": "none"},
        {"Origin": "", "Sec_Fetch_Site": ""},
        {"Origin": "http", "Sec_Fetch_Site": ""},
        {"Origin": "port", "Sec_Fetch_Site": ""},
        {"Origin": "suffix", "Sec_Fetch_Site": ""},
    ],
    ids=lambda headers: " ".join(f"{name}={value}" for name, value in headers.items()),
)
async def test_whatever_says_that_a_form_is_from_elsewhere_suffices(
    scene: Scene, operator: Guest, headers: dict[str, str]
) -> None:
    own = {
        "http": scene.url.replace("https://", "http://"),
        "port": scene.url.rpartition(":")[0] + ":1",
        "suffix": scene.url + ".evil.example",
    }
    headers = {name: own.get(value, value) for name, value in headers.items()}
    refused_and_nothing_said(await post(scene, "/theme", operator, more=headers), 403)


@pytest.mark.parametrize("page", [one for one in DONE if one.need is not Need.ANYONE], ids=named)
async def test_a_form_without_this_sessions_token_does_nothing(
    scene: Scene, operator: Guest, viewer: Guest, page: Page
) -> None:
    for token in (
        "",
        "wrong",
        viewer.csrf,
        masked(viewer.csrf),
        operator.csrf[:-1],
        operator.csrf + "00",
        "é",
        "0" * 64,
    ):
        refused_and_nothing_said(await post(scene, path_of(page), operator, {"csrf": token}), 403)


async def test_the_token_in_a_page_is_another_each_time_and_works_each_time(scene: Scene, viewer: Guest) -> None:
    seen = set()
    for _ in range(3):
        page = await ask(scene, "GET", "/", guest=viewer)
        tokens = set(re.findall(r'name="csrf" value="(\w+)"', page.text))
        assert len(tokens) == 1
        token = tokens.pop()
        assert viewer.csrf not in page.text
        seen.add(token)
        answer = await post(scene, "/theme", viewer, {"csrf": token, "theme": "dark", "back": "/runs"})
        assert (answer.status, answer.header("Location")) == (303, "/runs")
    assert len(seen) == 3


async def test_a_masked_token_is_of_its_session_alone() -> None:
    own, other = "ab" * 32, "cd" * 32
    assert is_token_of(own, own)
    assert all(is_token_of(own, masked(own)) for _ in range(50))
    assert not any(is_token_of(own, said) for said in (other, masked(other), "", "zz", own[:-2], own + own, "\ud800"))


async def test_a_session_that_is_over_opens_nothing(tmp_path: Path) -> None:
    async with staged(tmp_path) as scene:
        await scene.operator()
        accounts, console = scene.server.accounts, scene.config.console
        for how in ("signed out", "ended by somebody", "disabled", "idle", "old"):
            guest = await scene.viewer(how.replace(" ", "-"))
            assert (await ask(scene, "GET", "/", guest=guest)).status == 200
            match how:
                case "signed out":
                    assert (await post(scene, "/sign-out", guest)).status == 303
                case "ended by somebody":
                    await accounts.end_sessions(guest.name, who="mira")
                case "disabled":
                    await accounts.set_disabled(guest.name, True, who="mira")
                case "idle":
                    scene.clock.skip(console.session_idle_s + 1)
                case "old":
                    for _ in range(int(console.session_limit_s / (console.session_idle_s - 60)) + 1):
                        scene.clock.skip(console.session_idle_s - 60)
                        await ask(scene, "GET", "/", guest=guest)
            assert (await ask(scene, "GET", "/", guest=guest)).status == 303, how
            answer = await post(scene, "/theme", guest, {"theme": "dark"}, Referer=f"{scene.url}/runs/7?x=1")
            refused_and_nothing_said(answer, 401)
            assert 'href="/sign-in?next=/runs/7"' in answer.text
            assert (await ask(scene, "GET", "/live?on=shell", guest=guest)).status == 401


# --- names and paths -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "host"),
    [
        *((path, "evil.example") for path in ("/sign-in", "/setup", "/live", "/runs", "/nothing", "/assets/x")),
        *(("/", host) for host in ("127.0.0.1.evil.example", "evil.example:443", "[::2]", "localhost.")),
    ],
)
async def test_a_rebound_name_sees_no_page_of_ours(scene: Scene, operator: Guest, path: str, host: str) -> None:
    answer = await ask(scene, "GET", path, guest=operator, Host=host)
    assert answer.status == 403
    assert "this Host header is not ours" in answer.text
    assert "<" not in answer.text
    assert answer.cookies == []


async def test_a_rebound_name_signs_nobody_in(scene: Scene, operator: Guest) -> None:
    form = {"name": operator.name, "password": PASSWORD}
    answer = await post(scene, "/sign-in", None, form, Host="evil.example", Origin=FOREIGN)
    assert (answer.status, answer.cookies) == (403, [])


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//evil.example/", "/\\evil", "/assets/../../x", "/assets/%2e%2e%2fdoor.py",
     "/runs/../../x", "/apix", "/registered", "/.git/config", "/index.php", "/%00", "/%ff%fe", "/a%0d%0aSet-Cookie:x=1", "/" + "x" * 3000],
)  # fmt: skip
async def test_what_is_not_there_is_a_page_that_says_so(scene: Scene, operator: Guest, path: str) -> None:
    for guest in (operator, None):
        answer = await ask(scene, "GET", path, guest=guest)
        refused_and_nothing_said(answer, 404)
        assert "root:" not in answer.text
        assert answer.header("Content-Security-Policy") == CSP
        assert answer.cookies == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api", 404),
        ("GET", "/api/", 404),
        ("GET", "/api/nothing", 404),
        ("GET", "/register", 404),
        ("GET", "/reporter/x", 404),
        ("POST", "/api/openapi.json", 405),
        ("GET", "/api/agent/claim", 405),
        ("DELETE", "/api/runs", 405),
        ("POST", "/nothing", 405),
    ],
)
async def test_what_is_not_there_for_machines_is_said_in_their_shape(
    scene: Scene, operator: Guest, method: str, path: str, status: int
) -> None:
    answer = await ask(scene, method, path, guest=operator)
    assert answer.status == status
    assert json.loads(answer.body)["error"]["code"] == f"http_{status}"
    assert bool(answer.header("Allow")) == (status == 405)
    assert answer.header("Content-Security-Policy") == HEADERS["Content-Security-Policy"]
    assert answer.header("X-Content-Type-Options") == "nosniff"


async def test_a_cookie_opens_no_call_of_the_api(scene: Scene, operator: Guest) -> None:
    assert (await ask(scene, "GET", "/api/hosts", guest=operator)).status == 401


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND"])
async def test_other_methods_are_refused(scene: Scene, operator: Guest, method: str) -> None:
    for path in ("/", "/sign-in", "/live", "/assets/x"):
        answer = await ask(scene, method, path, guest=operator)
        assert answer.status == 405
        assert operator.secret not in answer.text


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nothing"])
async def test_a_head_is_a_get_without_its_body(scene: Scene, operator: Guest, path: str) -> None:
    head, get = [await ask(scene, method, path, guest=operator) for method in ("HEAD", "GET")]
    assert (head.status, head.body) == (get.status, b"")
    assert head.header("Content-Security-Policy") == get.header("Content-Security-Policy") == CSP


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil", "javascript:alert(1)", "", "runs", " /x", "/\t/evil.example",
     "/x\r\nSet-Cookie: a=b", "/\u2028x", "///evil.example", "/\x00", "http:/evil.example", "data:,x"],
)  # fmt: skip
async def test_nobody_is_sent_elsewhere_after_signing_in(scene: Scene, viewer: Guest, wanted: str) -> None:
    assert home(wanted) == "/"
    answer = await post(scene, "/sign-in", None, {"name": viewer.name, "password": PASSWORD, "next": wanted})
    assert (answer.status, answer.header("Location")) == (303, "/")
    answer = await post(scene, "/theme", viewer, {"theme": "light", "back": wanted})
    assert (answer.status, answer.header("Location")) == (303, "/")


async def test_after_signing_in_a_person_is_where_they_wanted_to_be(scene: Scene, viewer: Guest) -> None:
    wanted = "/runs?host=a%20b&x=%2F%C3%BC"
    sent = await ask(scene, "GET", wanted)
    form_page = await ask(scene, "GET", sent.header("Location"))
    kept = re.search(r'name="next" value="([^"]*)"', form_page.text)
    assert kept is not None
    said = kept[1].replace("&amp;", "&")
    answer = await post(scene, "/sign-in", None, {"name": viewer.name, "password": PASSWORD, "next": said})
    assert answer.header("Location") == wanted


# --- forms -----------------------------------------------------------------------------------------------------------


async def test_a_form_that_is_too_large_is_refused_before_it_is_there(scene: Scene, operator: Guest) -> None:
    told = await ask(scene, "POST", "/theme", guest=operator, Content_Length="9999999", Origin=scene.url)
    refused_and_nothing_said(told, 413)
    body = f"csrf={operator.csrf}&back={'x' * 300_000}".encode()
    chunked = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    streamed = await ask(
        scene,
        "POST",
        "/theme",
        guest=operator,
        body=chunked,
        Content_Length="",
        Transfer_Encoding="chunked",
        Origin=scene.url,
    )
    refused_and_nothing_said(streamed, 413)
    bomb = gzip.compress(b"a" * 30_000_000)
    packed = await ask(scene, "POST", "/theme", guest=operator, body=bomb, Content_Encoding="gzip", Origin=scene.url)
    refused_and_nothing_said(packed, 413)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"csrf=x"),
        ("application/json", b"{}"),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("nonsense", b"csrf=x"),
        (FORM, b"csrf=%ff%fe"),
        (FORM, b"\xff\xfe\x00"),
        (FORM, b"csrf=%ED%A0%80"),
        (FORM, b"&".join(b"a=1" for _ in range(3000))),
    ],
)
async def test_a_malformed_form_is_refused_in_words(scene: Scene, operator: Guest, kind: str, body: bytes) -> None:
    answer = await ask(scene, "POST", "/theme", guest=operator, body=body, Content_Type=kind, Origin=scene.url)
    refused_and_nothing_said(answer, 400)
    assert "form" in answer.text


async def test_a_form_that_is_never_finished_holds_nobody(
    scene: Scene, operator: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vetting.gate.BODY_LIMIT_S", 0.1)
    answer = await ask(scene, "POST", "/theme", guest=operator, body=b"csrf=", Content_Length="50", Origin=scene.url)
    refused_and_nothing_said(answer, 400)
    assert "did not arrive" in answer.text


# --- what every answer carries ---------------------------------------------------------------------------------------


def check_headers(answer: Answer, *, page: bool = True) -> None:
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Referrer-Policy") in ("no-referrer", "same-origin")
    assert answer.header("Strict-Transport-Security") == ""  # see docs/security.md
    if page:
        assert answer.header("X-Frame-Options") in ("DENY", "SAMEORIGIN")
        assert "default-src 'none'" in answer.header("Content-Security-Policy")
        assert "unsafe-eval" not in answer.header("Content-Security-Policy")
        assert answer.header("Cross-Origin-Resource-Policy") == "same-origin"
        assert answer.header("Cross-Origin-Opener-Policy") == "same-origin"


@pytest.mark.parametrize("page", [one for one in SHOWN if one.path != "/live"], ids=named)
async def test_every_page_has_its_headers_and_is_kept_nowhere(scene: Scene, operator: Guest, page: Page) -> None:
    answer = await ask(scene, "GET", path_of(page), guest=operator)
    check_headers(answer)
    assert answer.header("Cache-Control") == "no-store"
    assert operator.secret not in answer.text
    assert operator.csrf not in answer.text
    assert answer.status in (200, 303, 400, 404, 409), answer.text


async def test_styles_and_scripts_are_kept_for_ever_and_pages_name_them_by_content(
    scene: Scene, operator: Guest
) -> None:
    page = await ask(scene, "GET", "/", guest=operator)
    assets = set(re.findall(r"/assets/[\w.-]+", page.text))
    assert len(assets) >= 4
    for path in assets:
        answer = await ask(scene, "GET", path)  # by anybody: the sign-in page needs them too
        check_headers(answer)
        assert answer.status == 200
        assert "immutable" in answer.header("Cache-Control")
        packed = await ask(scene, "GET", path, Accept_Encoding="gzip, br")
        assert gzip.decompress(packed.body) == answer.body
        assert packed.header("Vary")
    gone = await ask(scene, "GET", "/assets/console.000000000000.css")
    assert (gone.status, gone.header("Cache-Control")) == (404, "no-store")


async def test_a_long_page_is_packed_for_those_who_can_unpack_it(scene: Scene, operator: Guest) -> None:
    packed = await ask(scene, "GET", "/", guest=operator, Accept_Encoding="gzip")
    plain = await ask(scene, "GET", "/", guest=operator)
    assert packed.header("Content-Encoding") == "gzip"
    assert len(packed.body) < len(plain.body) / 2
    assert "<h1" in gzip.decompress(packed.body).decode()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}, 200),
        ({"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}, 200),
        ({"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors", "Sec_Fetch_Dest": "empty"}, 200),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"}, 403),
        ({"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors", "Sec_Fetch_Dest": "empty"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}, 403),
        ({"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "object"}, 403),
    ],
)
async def test_others_may_link_to_us_and_make_no_other_use_of_us(
    scene: Scene, operator: Guest, headers: dict[str, str], status: int
) -> None:
    assert (await ask(scene, "GET", "/", guest=operator, more=headers)).status == status


# --- signing in ------------------------------------------------------------------------------------------------------


async def test_signing_in_gives_a_secret_that_nobody_had_before(scene: Scene, viewer: Guest) -> None:
    form = {"name": viewer.name, "password": PASSWORD}
    planted = Guest("planted", "p" * 43, "0" * 64)
    answer = await post(scene, "/sign-in", planted, form)
    assert answer.status == 303
    (cookie,) = answer.cookies
    secret = cookie.partition(";")[0].removeprefix(f"{COOKIE}=")
    assert secret != planted.secret
    assert len(secret) >= 43
    flags = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert flags == {"secure", "httponly", "samesite=lax", "path=/"}  # what the prefix __Host- asks for, and no Domain
    assert COOKIE.startswith("__Host-")
    assert (await ask(scene, "GET", "/", guest=planted)).status == 303
    first = Guest(viewer.name, secret, "0" * 64)
    again = await post(scene, "/sign-in", first, form)  # somebody else at the same browser
    assert again.cookies[0].partition(";")[0] != cookie.partition(";")[0]
    assert (await ask(scene, "GET", "/", guest=first)).status == 303


async def test_signing_out_takes_the_cookie_away_and_the_secret_with_it(tmp_path: Path) -> None:
    async with staged(tmp_path) as scene:
        guest = await scene.operator()
        answer = await post(scene, "/sign-out", guest)
        assert answer.header("Location") == "/sign-in"
        assert re.match(rf"{COOKIE}=(\"\")?;", answer.cookies[0])
        assert "Max-Age=0" in answer.cookies[0]
        assert "Secure" in answer.cookies[0]  # else a browser refuses to change a __Host- cookie
        assert (await ask(scene, "GET", "/", guest=guest)).status == 303


async def test_the_chosen_theme_is_kept_for_a_year_and_is_one_of_ours(scene: Scene, viewer: Guest) -> None:
    answer = await post(scene, "/theme", viewer, {"theme": "dark"})
    assert answer.cookies[0].startswith(f"{THEME}=dark; ")
    assert "Max-Age=31536000" in answer.cookies[0]
    answer = await post(scene, "/theme", viewer, {"theme": '"><script>'})
    assert answer.cookies[0].startswith(f'{THEME}="";')
    page = await ask(scene, "GET", "/sign-in", Cookie=f'{THEME}="><script>alert(1)</script>')
    assert "alert(1)" not in page.text


async def test_guessing_is_slowed_in_words_and_the_name_stays_typed(tmp_path: Path) -> None:
    async with staged(tmp_path) as scene:
        await scene.operator()
        form = {"name": "mal <b>ory", "password": "a wrong password"}
        last = await post(scene, "/sign-in", None, form)
        assert last.status == 401
        async with asyncio.timeout(30):
            while last.status == 401:  # on a slow machine the first waits are over before we ask again
                last = await post(scene, "/sign-in", None, form)
        assert last.status == 429
        assert re.search(r"too many attempts failed; wait \d+ s", last.text)
        assert int(last.header("Retry-After")) >= 1
        assert 'value="mal &lt;b&gt;ory"' in last.text
        assert "a wrong password" not in last.text
        check_headers(last)
        assert last.cookies == []


async def test_no_secret_is_in_a_page_an_address_or_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with staged(tmp_path) as scene:
        code = await scene.server.accounts.setup_code()
        form = {"code": code, "name": "mira", "password": PASSWORD, "again": PASSWORD}
        wrong = await post(scene, "/setup", None, {**form, "again": "another password"})
        refused_and_nothing_said(wrong, 400)
        assert PASSWORD not in wrong.text
        made = await post(scene, "/setup", None, form)
        secret = made.cookies[0].partition(";")[0].removeprefix(f"{COOKIE}=")
        guest = Guest("mira", secret, "0" * 64)
        for path in ("/", "/nothing", "/live?on=nothing", "/settings"):
            answer = await ask(scene, "GET", path, guest=guest)
            assert secret not in answer.text
        await post(scene, "/sign-in", None, {"name": "mira", "password": "guess-4711"})
        said = caplog.text
        assert not any(word in said for word in (secret, PASSWORD, "guess-4711", code))


# --- behind a proxy --------------------------------------------------------------------------------------------------


async def test_a_name_in_a_header_is_nobody_where_no_proxy_is_configured(scene: Scene, operator: Guest) -> None:
    answer = await ask(scene, "GET", "/", X_Remote_User="mira", Remote_User="mira", X_Forwarded_User="mira")
    assert answer.status == 303


@pytest.mark.parametrize(("address", "status"), [("127.0.0.1/32", 200), ("192.0.2.0/24", 303)])
async def test_a_name_is_believed_from_the_proxys_address_alone(tmp_path: Path, address: str, status: int) -> None:
    def proxied(config: Config) -> Config:
        console = replace(config.console, proxy_header="X-Remote-User", proxy_addresses=(address,))
        return replace(config, console=console)

    async with staged(tmp_path, change=proxied) as scene:
        await scene.operator()
        answer = await ask(scene, "GET", "/", X_Remote_User="ann")
        assert answer.status == status
        assert ("Sign out" in answer.text) is False
        if status == 200:
            assert (await post(scene, "/theme", None, {"theme": "dark"}, X_Remote_User="ann")).status == 403  # no token
            twice = await ask(scene, "GET", "/", more={"X-Remote-User": "mira", "x-remote-user": "ann"})
            assert twice.status == 303  # the first one came from before the proxy
            strange = await ask(scene, "GET", "/", X_Remote_User="<b>")
            assert "<b>" not in strange.text


# --- when it goes wrong ----------------------------------------------------------------------------------------------


async def test_without_the_database_there_is_a_page_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(tmp_path) as scene:
        guest = await scene.operator()

        async def gone(*_: object) -> None:
            raise Unavailable("the database cannot be read: the disk is gone")

        monkeypatch.setattr(scene.server.store, "read", gone)
        for path in ("/", "/sign-in", "/setup", "/nothing", "/runs"):
            for who in (guest, None):
                answer = await ask(scene, "GET", path, guest=who)
                if answer.status != 404:
                    refused_and_nothing_said(answer, 503)
                    assert "the disk is gone" in answer.text
                check_headers(answer)
        refused_and_nothing_said(await post(scene, "/theme", guest, {"theme": "dark"}), 503)


async def test_a_database_that_goes_in_the_middle_of_a_page_is_told_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(tmp_path) as scene:
        guest = await scene.operator()
        read, left = scene.server.store.read, [1]  # who it is can still be found out

        async def going(work: Callable[[], object]) -> object:
            if not left:
                raise Unavailable("the database cannot be read: the disk is gone")
            left.pop()
            return await read(work)

        monkeypatch.setattr(scene.server.store, "read", going)
        answer = await ask(scene, "GET", "/", guest=guest)
        refused_and_nothing_said(answer, 503)
        assert "the disk is gone" in answer.text
        check_headers(answer)


async def test_a_mistake_of_ours_is_a_page_without_our_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with staged(tmp_path) as scene:
        guest = await scene.operator()

        async def wrong(*_: object) -> None:
            raise KeyError("the inside")

        monkeypatch.setattr(scene.server.accounts, "needs_setup", wrong)
        answer = await ask(scene, "GET", "/sign-in")
        refused_and_nothing_said(answer, 500)
        assert "the inside" not in answer.text
        assert "the inside" in caplog.text
        assert (await ask(scene, "GET", "/", guest=guest)).status == 200


async def test_a_page_that_hangs_holds_nobody_else(scene: Scene, operator: Guest) -> None:
    """A connection on which half a request stands still."""
    port = urlsplit(scene.url).port
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"\x16\x03")  # the beginning of a handshake
        assert (await ask(scene, "GET", "/", guest=operator)).status == 200
    finally:
        writer.close()
