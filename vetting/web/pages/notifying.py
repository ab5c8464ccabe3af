"""A test message to a channel: whether somebody would be told."""

from __future__ import annotations

from vetting.domain.errors import Unavailable
from vetting.web.console import Console
from vetting.web.secrecy import masked
from vetting.web.visit import Answer, Go, Need, Page, View, Visit


async def asked(console: Console, visit: Visit) -> Answer:
    number = visit.number("number")
    channel = console.desk.telling.channel(number)
    values = {"number": number, "channel": channel, "address": masked(channel.url)}
    return View(template="notify_test.html.j2", title=f"Send a test to {channel.name}", nav="settings", values=values)


async def send(console: Console, visit: Visit) -> Answer:
    number = visit.number("number")
    name, sent = console.desk.telling.channel(number).name, await console.desk.telling.test(number, who=visit.who.name)
    if not sent.delivered:
        raise Unavailable(f"{name} was not reached after {sent.took_s:.1f} s: {sent.words}")
    return Go(
        to="/settings#notify", said=f"{name} took the test message after {sent.took_s:.1f} s. Look whether it arrived."
    )


PAGES = (Page(path=r"/settings/notify/{number:\d+}", need=Need.OPERATOR, show=asked, do=send),)
