"""Who may sign in, and as what. What is done to somebody has a page that says what it does to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from vetting.domain.errors import BadInput, Conflict, NotFound
from vetting.domain.roles import Role
from vetting.web.console import Console
from vetting.web.visit import Answer, Go, Need, Page, View, Visit
from vetting.wire import PersonView

PERSON = r"/people/{name:[A-Za-z0-9._@-]{1,64}}"
Act = Callable[[Console, Visit, PersonView], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that an operator does to somebody: `act` does it and returns what was done, in words."""

    title: str  # with the name after it
    button: str
    tone: str
    does: str  # what happens to the person
    act: Act


async def shown(console: Console, visit: Visit) -> Answer:
    people = await console.accounts.people()
    values = {"people": people, "me": visit.who.name, "proxy": console.config.console}
    return View(template="people.html.j2", title="People", nav="settings", values=values)


async def adding(console: Console, visit: Visit) -> Answer:
    typed = {"name": visit.form.get("name", ""), "role": visit.form.get("role", Role.VIEWER)}
    return View(template="person_add.html.j2", title="Add a person", nav="settings", values=typed)


async def add(console: Console, visit: Visit) -> Answer:
    name, role = visit.form.get("name", "").strip(), visit.form.get("role", "")
    await console.accounts.add(name=name, role=role, password=twice(visit), who=visit.who.name)
    return Go(to="/people", said=f"{name} may sign in from now on, as {a(role)}.")


def twice(visit: Visit) -> str:
    """The new password, typed twice. Raises BadInput."""
    if visit.form.get("password", "") != visit.form.get("again", ""):
        raise BadInput("the two passwords differ; type them again")
    return visit.form.get("password", "")


def a(role: str) -> str:
    return f"an {role}" if role == Role.OPERATOR else f"a {role}"


async def change_role(console: Console, visit: Visit, person: PersonView) -> str:
    role = visit.form.get("role", "")
    if role != other_role(person):
        raise Conflict(
            f"somebody else has changed {person.name} meanwhile: they are {a(person.role)} now; nothing was done"
        )
    await console.accounts.change_role(person.name, role, who=visit.who.name)
    return f"{person.name} is {a(role)} now."


def other_role(person: PersonView) -> Role:
    return Role.VIEWER if person.role == Role.OPERATOR else Role.OPERATOR


async def set_password(console: Console, visit: Visit, person: PersonView) -> str:
    await console.accounts.set_password(person.name, twice(visit), who=visit.who.name)
    return f"{person.name} has a new password and is signed out everywhere."


async def disable(console: Console, visit: Visit, person: PersonView) -> str:
    await console.accounts.set_disabled(person.name, True, who=visit.who.name)
    return f"{person.name} cannot sign in until somebody allows it again."


async def enable(console: Console, visit: Visit, person: PersonView) -> str:
    await console.accounts.set_disabled(person.name, False, who=visit.who.name)
    return f"{person.name} may sign in again."


async def sign_out(console: Console, visit: Visit, person: PersonView) -> str:
    ended = await console.accounts.end_sessions(person.name, who=visit.who.name)
    return f"{person.name} is signed out of {ended} browser{'' if ended == 1 else 's'}."


async def remove(console: Console, visit: Visit, person: PersonView) -> str:
    await console.accounts.remove(person.name, who=visit.who.name, why=visit.form.get("reason", ""))
    return f"{person.name} is removed."


DEEDS = {
    "role": Deed("Change the role of", "Change the role", "primary",
                 "They are signed out everywhere and come back with the other role.", change_role),
    "password": Deed("Set a password for", "Set the password", "primary",
                     "The old password is good for nothing from then on, and they are signed out everywhere.", set_password),
    "disable": Deed("Keep out", "Keep them out", "danger",
                    "They are signed out everywhere and cannot sign in until somebody allows it again. Tokens that they "
                    "issued go on working.", disable),
    "enable": Deed("Let in again:", "Let them in again", "primary", "They may sign in with the password that they had.", enable),
    "sign-out": Deed("Sign out", "Sign out everywhere", "primary",
                     "Every browser of theirs has to sign in again. Nothing else changes.", sign_out),
    "remove": Deed("Remove", "Remove for good", "danger",
                   "They are signed out everywhere and the account is gone. What was done under the name stays in the audit "
                   "log, and tokens that they issued go on working until they are revoked.", remove),
}  # fmt: skip


async def doing(console: Console, visit: Visit) -> Answer:
    person, deed = await console.accounts.person(visit.path["name"]), deed_of(visit)
    values = {
        "deed": deed, "act": visit.path["act"], "who": person, "becomes": other_role(person),
        "reason": visit.form.get("reason", ""), "me": visit.who.name,
    }  # fmt: skip
    return View(template="person_deed.html.j2", title=f"{deed.title} {person.name}", nav="settings", values=values)


async def do(console: Console, visit: Visit) -> Answer:
    person, deed = await console.accounts.person(visit.path["name"]), deed_of(visit)
    return Go(to="/people", said=await deed.act(console, visit, person))


def deed_of(visit: Visit) -> Deed:
    """Raises NotFound."""
    if (deed := DEEDS.get(visit.path["act"])) is None:
        raise NotFound("there is no such thing to do to a person")
    return deed


PAGES = (
    Page(path="/people", need=Need.OPERATOR, show=shown),
    Page(path="/people-add", need=Need.OPERATOR, show=adding, do=add),
    Page(path=PERSON + "/{act:[a-z-]{1,20}}", need=Need.OPERATOR, show=doing, do=do),
)
