"""What may happen next in a world: a session begins or goes on, somebody is killed, the network has its way.

Each step is one thing that nothing can come between, with words for the trace. All orders of them are tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .planning import SENDS, plan
from .platform import close, closed, take
from .world import (
    SCHEMA_OF,
    Command,
    Family,
    Rules,
    Sent,
    Session,
    Settled,
    Tally,
    World,
    as_planned,
    complete,
    completed,
    newest,
    open_start,
    packages,
    recorded_schema,
    release_of,
    running,
    start_of,
)

Step = tuple[str, World]


class Model(NamedTuple):
    """A tool, and the part of the world in which it is tried."""

    rules: Rules
    family: Family

    def next(self, world: World) -> Iterator[Step]:
        yield from _begins(self, world)
        for place, session in enumerate(world.sessions):
            yield from (_reconciles if session.command.action == "reconcile" else _goes_on)(
                self, world, place
            )
        yield from _network(self, world)


# ---- sessions begin -----------------------------------------------------------------------------------------


def _begins(model: Model, world: World) -> Iterator[Step]:
    rules, family = model
    tally, begun = world.tally, open_start(world.journal)
    if tally.sessions >= family.sessions or len(world.sessions) >= family.at_once:
        return
    if len(world.journal) >= family.longest:
        return
    used = tally._replace(sessions=tally.sessions + 1)
    for command in family.commands:
        match command.action:
            case "reconcile":
                yield from _reconcile_begins(model, world, command, used)
            case "decide":
                yield from _decides(rules, world, used)
            case "ship":
                yield from _ships_again(rules, world, used)
            case _ if not begun and (planned := plan(command, world, rules)):
                made = Session(
                    command,
                    planned.package,
                    "planned",
                    head=len(world.journal),
                    plan=planned,
                    etag=world.platform.changes,
                )
                sessions = (*world.sessions, made)
                yield (
                    f"{command}: reads the facts, makes its plan",
                    world._replace(sessions=sessions, tally=used),
                )
    if begun and tally.unlocks < family.unlocks:
        yield from _unlocks(model, world, begun)


def _reconcile_begins(model: Model, world: World, command: Command, used: Tally) -> Iterator[Step]:
    begun = open_start(world.journal)
    alive = {one.start for one in world.sessions if one.command.action != "reconcile"}
    one_already = any(one.command.action == "reconcile" for one in world.sessions)
    if not begun or one_already or (begun in alive and not model.family.false_death):
        return
    fenced = model.rules.fence != "none" and model.rules.reconcile_closes
    session = Session(command, "", "close" if fenced else "look", start=begun)
    yield f"reconcile of #{begun} begins", world._replace(sessions=(*world.sessions, session), tally=used)


def _decides(rules: Rules, world: World, used: Tally) -> Iterator[Step]:
    journal, ran, begun = world.journal, running(world.journal), open_start(world.journal)
    if rules.strict and (begun or not complete(journal)):
        return  # NO
    if not completed(journal, ran.end) or ("decide", ran.package) in used.said:
        return
    said = (*used.said, ("decide", ran.package))
    if newest(world.platform, 0)[1].package != ran.package:
        said = (*said, ("stale", ran.package))
    yield f"decide {ran.package}: YES", world._replace(tally=used._replace(said=said))


def _ships_again(rules: Rules, world: World, used: Tally) -> Iterator[Step]:
    ran = running(world.journal).package
    if rules.strict or any(word == "ship" for word, _ in used.said):
        return  # the same commit goes the whole way: deploy (already), migrate, complete
    said = (*used.said, ("ship", ran))
    if world.platform.schema < SCHEMA_OF[ran] or newest(world.platform, 0)[1].package != ran:
        said = (*said, ("unmigrated", ran))
    yield f"ship {ran} again: nothing to deploy, YES", world._replace(tally=used._replace(said=said))


def _unlocks(model: Model, world: World, begun: int) -> Iterator[Step]:
    rules, tally = model.rules, world.tally
    fenced = rules.fence == "credential" and rules.unlock_closes
    if fenced and not closed(world.platform, begun, rules):
        yield (
            f"a person revokes the key of #{begun}",
            world._replace(platform=close(world.platform, begun, rules)),
        )
        return
    if fenced and not _drained(rules, world, begun):
        return
    platform = close(world.platform, begun, rules) if rules.unlock_closes else world.platform
    tally = tally._replace(unlocks=tally.unlocks + 1, sessions=tally.sessions + 1)
    journal = (*world.journal, Settled("abandon", begun))
    yield f"a person unlocks #{begun}", world._replace(journal=journal, platform=platform, tally=tally)


def _drained(rules: Rules, world: World, seq: int) -> bool:
    """Whether all that was admitted before the fence was closed has had its effect: what the drain waits for."""
    return not rules.drain or not any(one.start == seq and one.admitted for one in world.network)


# ---- sessions go on -----------------------------------------------------------------------------------------


def _ends(world: World, place: int, **changes: object) -> World:
    sessions = (*world.sessions[:place], *world.sessions[place + 1 :])
    return world._replace(sessions=sessions, **changes)


def _now(world: World, place: int, session: Session, **changes: object) -> World:
    sessions = (*world.sessions[:place], session, *world.sessions[place + 1 :])
    return world._replace(sessions=sessions, **changes)


def _goes_on(model: Model, world: World, place: int) -> Iterator[Step]:
    """One session of a command that changes: its start, its requests, its second look, its end."""
    session = world.sessions[place]
    name, seq, begun = f"{session.command} #{session.start}", session.start, open_start(world.journal)
    if session.at == "planned":
        if len(world.journal) != session.head:
            yield f"{session.command}: overtaken", _ends(world, place)
            return
        assert session.plan
        at = "close" if session.command.action in ("complete", "adopt") else "may it?"
        after = session._replace(at=at, start=session.head + 1, plan=None, head=0)
        journal = (*world.journal, session.plan)
        yield f"{session.command}: writes start #{after.start}", _now(world, place, after, journal=journal)
        return
    if world.tally.crashes < model.family.crashes:
        tally = world.tally._replace(crashes=world.tally.crashes + 1)
        yield f"{name} is killed", _ends(world, place, tally=tally)
    match session.at:
        case "may it?" if begun != seq:
            yield f"{name}: sees that it was given up", _ends(world, place)
        case "may it?":
            yield f"{name}: still holds", _now(world, place, session._replace(at="send"))
        case "send":
            yield _sends(model, world, place)
        case "sent":
            yield _hears(model, world, place)
        case "close":
            yield from _closes(model, world, place)
        case "write" if begun != seq:
            yield f"{name}: its end is refused", _ends(world, place)
        case "write":
            yield _writes(model, world, place)


def _sends(model: Model, world: World, place: int) -> Step:
    session = world.sessions[place]
    kind = SENDS.get(session.command.action, session.command.about)
    etag = session.etag if model.rules.etag_of_facts else world.platform.changes
    target = start_of(world.journal, session.start).schema if model.rules.names_target else 0
    etag = etag if model.rules.fence == "etag" else 0
    sent = Sent(session.start, kind, session.app, session.package, etag, schema=target)
    after = session._replace(at="sent", etag=session.etag + 1 if model.rules.fence == "etag" else 0)
    said = f"{session.command} #{session.start}: sends {kind} {session.package} of app {session.app}"
    return said, _now(world, place, after, network=tuple(sorted((*world.network, sent))))


def _hears(model: Model, world: World, place: int) -> Step:
    """The answer, or the look after a lost one: it happened, or nobody knows and the start stays open."""
    session = world.sessions[place]
    start, name = start_of(world.journal, session.start), f"{session.command} #{session.start}"
    if start.action == "migrate":
        done = world.platform.schema >= start.schema
    else:
        done = bool(release_of(world, session.start, session.app, image=model.family.image))
    if not done:
        return f"{name}: no answer, exits 4", _ends(world, place)
    more = start.action in ("deploy", "rollback") and session.app + 1 < model.family.apps
    after = session._replace(at="may it?" if more else "close", app=session.app + 1)
    return f"{name}: knows that it happened", _now(world, place, after)


def _closes(model: Model, world: World, place: int) -> Iterator[Step]:
    """Close the fence, drain, look again."""
    session, rules = world.sessions[place], model.rules
    seq, name = session.start, f"{session.command} #{session.start}"
    if rules.fence == "credential" and not closed(world.platform, seq, rules):
        yield f"{name}: revokes its key", world._replace(platform=close(world.platform, seq, rules))
        return
    if not _drained(rules, world, seq):
        return
    world = world._replace(platform=close(world.platform, seq, rules))
    outcome = _own_outcome(model, world, seq)
    word = "as planned" if outcome.kind == "end" else "not as planned"
    yield f"{name} looks: {word}", _now(world, place, session._replace(at="write", outcome=outcome))


def _own_outcome(model: Model, world: World, seq: int) -> Settled:
    start, apps = start_of(world.journal, seq), range(model.family.apps)
    if start.action in ("complete", "adopt"):
        return _looked_again(world, seq)
    nothing = start.action == "migrate"
    releases = tuple(
        0
        if nothing or (start.action == "config" and app)
        else release_of(world, seq, app, image=model.family.image)
        for app in apps
    )
    kind = "end" if as_planned(world, seq, releases) else "failed"
    return Settled(kind, seq, releases, world.platform.schema if start.action == "migrate" else 0)


def _looked_again(world: World, seq: int) -> Settled:
    """What a completion or an adoption, which change nothing, writes."""
    start, ran = start_of(world.journal, seq), running(world.journal)
    if start.action == "adopt":
        numbers = tuple(newest(world.platform, app)[0] for app in range(len(world.platform.apps)))
        return Settled(
            "end" if numbers == start.newest else "failed", seq, start.newest, world.platform.schema
        )
    good = all(one == start.package for one in packages(world.platform))
    good = good and recorded_schema(world.journal) >= SCHEMA_OF[start.package]
    return Settled("end", seq, deployment=ran.end) if good else Settled("failed", seq)


def _writes(model: Model, world: World, place: int) -> Step:
    """The end of a session; a deploy that failed goes back by itself, a completion says YES."""
    session, tally = world.sessions[place], world.tally
    outcome, start = session.outcome, start_of(world.journal, session.start)
    assert outcome
    journal = (*world.journal, outcome)
    after = _ends(world, place, journal=journal)
    changed = [newest(world.platform, app)[0] for app in range(model.family.apps)] != [*start.newest]
    if (outcome.kind, start.action) == ("failed", "deploy") and changed:
        back = Command("rollback", start.base)
        planned = plan(back, after, model.rules)
        if planned and len(journal) < model.family.longest:
            made = Session(
                back, start.base, "planned", head=len(journal), plan=planned, etag=world.platform.changes
            )
            after = after._replace(sessions=(*after.sessions, made))
    said = tally.said
    if (outcome.kind, start.action) == ("end", "complete"):
        said = (*said, ("YES", start.package))
        runs = all(one == start.package for one in packages(world.platform))
        if not runs or world.platform.schema < SCHEMA_OF[start.package]:
            said = (*said, ("false", start.package))
    word = f"{session.command} #{session.start}: writes `{outcome.kind}`"
    return word, after._replace(tally=tally._replace(said=said))


# ---- reconcile ----------------------------------------------------------------------------------------------


def _reconciles(model: Model, world: World, place: int) -> Iterator[Step]:
    """Close the fence of somebody else's start, drain, look, write."""
    session = world.sessions[place]
    seq = session.start
    if session.at == "close":
        after = session._replace(at="look")
        platform = close(world.platform, seq, model.rules)
        yield f"reconcile: closes the fence of #{seq}", _now(world, place, after, platform=platform)
        return
    if open_start(world.journal) != seq:
        yield "reconcile: settled by somebody else", _ends(world, place)
        return
    if session.at == "write":
        assert session.outcome
        journal = (*world.journal, session.outcome)
        yield f"reconcile writes `{session.outcome.kind}` of #{seq}", _ends(world, place, journal=journal)
        return
    if not _drained(model.rules, world, seq):
        return
    for said, outcome in _seen(model, world, seq):
        yield f"reconcile looks: {said}", _now(world, place, session._replace(at="write", outcome=outcome))


def _seen(model: Model, world: World, seq: int) -> Iterator[tuple[str, Settled]]:
    """What a look shows of a start, and what is written of it. A stale list shows less than there is."""
    start, schema, apps = start_of(world.journal, seq), world.platform.schema, range(model.family.apps)
    if start.action == "migrate":
        kind = "end" if schema >= start.schema else "failed"
        yield f"the database is at {schema}", Settled(kind, seq, (0,) * len(apps), schema)
        return
    if start.action in ("adopt", "complete"):
        outcome = _looked_again(world, seq)
        if outcome.kind == "failed":
            outcome = Settled("failed", seq)
        elif start.action == "adopt":
            outcome = outcome._replace(schema=0)
        yield outcome.kind, outcome
        return
    only = 1 if start.action == "config" else len(apps)
    found = [release_of(world, seq, app, image=model.family.image) if app < only else 0 for app in apps]
    views = [tuple(found)]
    # The answer to the claim of a name is no list: it shows what is.
    if model.family.stale_lists and model.rules.fence != "name" and any(found):
        views.append((0,) * len(apps))
    for releases in views:
        missing = sum(not number for number in releases[:only])
        if missing == only:
            yield f"no release of #{seq}", Settled("failed", seq)
        elif missing:
            yield f"a part of #{seq} only", Settled("failed", seq, releases)
        else:
            kind = "end" if as_planned(world, seq, releases) else "failed"
            yield f"#{seq} made {releases}", Settled(kind, seq, releases)


# ---- the network --------------------------------------------------------------------------------------------


def _network(model: Model, world: World) -> Iterator[Step]:
    """A request may be admitted, taken, doubled or lost, at any time and in any order."""
    rules, family = model
    for place, sent in enumerate(world.network):
        if place and world.network[place - 1] == sent:
            continue
        rest = (*world.network[:place], *world.network[place + 1 :])
        what = f"{sent.kind} of #{sent.start}"
        if rules.fence == "credential" and rules.admits and not sent.admitted:
            if not closed(world.platform, sent.start, rules):
                network = tuple(sorted((*rest, sent._replace(admitted=True))))
                yield f"the platform admits {what}", world._replace(network=network)
            yield f"{what} is lost or refused", world._replace(network=rest)
            continue
        platform, effect = take(world.platform, sent, rules, family)
        tally = world.tally
        late = effect and open_start(world.journal) != sent.start
        if late:
            tally = tally._replace(late=tuple(sorted({*tally.late, (sent.start, sent.kind)})))
        word = f"the platform takes {what}{', LATE' if late else ''}{'' if effect else ' (no effect)'}"
        yield word, World(world.journal, platform, rest, world.sessions, tally)
        if tally.copies < family.copies:
            doubled = tally._replace(copies=tally.copies + 1)
            yield (
                f"{word}, and a copy stays on its way",
                World(world.journal, platform, world.network, world.sessions, doubled),
            )
        yield f"{what} is lost", world._replace(network=rest)
