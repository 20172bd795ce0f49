"""The one page, as text. Everything that comes from outside is escaped here and nowhere else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from capecontrol.probe import Answer
from capecontrol.settings import Settings
from capecontrol.work_orders import PRIORITIES, WorkOrder

HERE = Path(__file__).parent
CSS = (HERE / "page.css").read_text(encoding="utf-8")
MARK = (HERE / "favicon.svg").read_text(encoding="utf-8")
PAGE = Template((HERE / "page.html").read_text(encoding="utf-8"))
TITLE_LIMIT = 120
ASSET_LIMIT = 60

# Nothing but this very style sheet, our own icon and our own form: no script can run here.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()}'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person typed into the form, kept when it could not be saved."""

    title: str = ""
    asset: str = ""
    priority: str = "normal"


@dataclass(frozen=True, slots=True)
class View:
    """All that the page shows. `orders` is None while there is no table to read them from."""

    settings: Settings
    answer: Answer
    orders: Sequence[WorkOrder] | None
    token: str
    problem: str = ""
    draft: Draft = Draft()


def render(view: View) -> str:
    """The whole HTML document."""
    connected = view.answer.connected
    if not connected:
        revision, work = "unknown", _card('<p class="empty">The database does not answer.</p>')
    elif view.orders is None:
        revision, work = "not migrated yet", _card('<p class="empty">The database is not migrated yet.</p>')
    else:
        revision, work = view.answer.revision or "unknown", _form(view) + _list(view.orders, view.token)
    note = (
        "" if connected else _note("Degraded: the database does not answer. Nothing can be shown or saved.")
    )
    return PAGE.substitute(
        css=CSS,
        mark=MARK,
        environment=escape(view.settings.environment),
        health="healthy" if connected else "degraded",
        health_class="good" if connected else "bad",
        note=note + (_note(view.problem) if view.problem else ""),
        release=escape(view.settings.release or "none"),
        revision=escape(revision),
        commit=escape(view.settings.commit),
        work=work,
    )


def _note(text: str) -> str:
    return f'<p class="note bad" role="alert">{escape(text)}</p>'


def _card(inner: str) -> str:
    heading = '<h2 id="orders">Work orders</h2>'
    return f'<section class="card" id="work" aria-labelledby="orders">{heading}{inner}</section>'


def _hidden(token: str) -> str:
    return f'<input type="hidden" name="csrf_token" value="{escape(token)}">'


def _form(view: View) -> str:
    draft = view.draft
    options = "".join(f"<option{' selected' * (p == draft.priority)}>{p}</option>" for p in PRIORITIES)
    return f"""<section class="card" aria-labelledby="new"><h2 id="new">New work order</h2>
<form class="add" method="post" action="/work-orders">{_hidden(view.token)}
<div><label for="title">What is to be done</label><input id="title" name="title" required
maxlength="{TITLE_LIMIT}" value="{escape(draft.title)}" autocomplete="off"></div>
<div><label for="asset">On which asset</label><input id="asset" name="asset" required
maxlength="{ASSET_LIMIT}" value="{escape(draft.asset)}" autocomplete="off"></div>
<div><label for="priority">Priority</label><select id="priority" name="priority">{options}</select></div>
<button>Add</button></form></section>"""


def _list(orders: Sequence[WorkOrder], token: str) -> str:
    if not orders:
        return _card('<p class="empty">None yet. Add the first one above.</p>')
    rows = "".join(_row(order, token) for order in orders)
    return _card(f"""<div class="scroll"><table>
<caption class="hidden">Work orders, open ones first, newest first</caption>
<thead><tr><th scope="col">Work</th><th scope="col">Priority</th>
<th scope="col" class="col-when">Added (UTC)</th><th scope="col">State</th></tr></thead>
<tbody>{rows}</tbody></table></div>""")


def _row(order: WorkOrder, token: str) -> str:
    tone = "bad" if order.priority == "urgent" and not order.done else ""
    if order.done:
        state = '<span class="pill good">done</span>'
    else:
        state = (
            f'<form method="post" action="/work-orders/{order.id}/done">{_hidden(token)}'
            f'<button class="plain" aria-label="Mark done: {escape(order.title)}">Mark done</button></form>'
        )
    return (
        f"<tr{' class=done' if order.done else ''}>"
        f'<th scope="row">{escape(order.title)} <small>{escape(order.asset)}</small></th>'
        f'<td><span class="pill {tone}">{escape(order.priority)}</span></td>'
        f'<td class="when">{order.created_at:%Y-%m-%d %H:%M}</td><td>{state}</td></tr>'
    )
