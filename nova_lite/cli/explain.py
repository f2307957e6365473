"""`nova-lite explain`: why a server got its host, or none; each host, each rule, and what would help."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nova_lite.cli.installation import Installation
from nova_lite.cli.show import json_option, moment, show_json
from nova_lite.model import wire

if TYPE_CHECKING:
    from nova_lite.db.engine import Tx
    from nova_lite.durable.story import Record
    from nova_lite.model.host import Host
    from nova_lite.model.placement import Explanation, PlacementRequest, Refusal, Verdict
    from nova_lite.workflows.account import Account

FORMAT = 1  # of the JSON document: fields are added, never changed


@click.command()
@click.argument("server", metavar="SERVER")
@json_option
@click.pass_obj
def command(files: tuple[Path, ...], server: str, as_json: bool) -> None:
    """Say why a server, by id or name, got its host or none, as it was decided and as it is now."""
    with Installation(files).database.read() as tx:
        account = _account(tx, server)
    if as_json:
        show_json({"format": FORMAT, **wire.to_plain(account)})
        return
    click.echo("\n".join(lines(account)))


def _account(tx: Tx, word: str) -> Account:
    """Read the account of a server by id or name. Raises: NotFound; Conflict for a name that several have."""
    from nova_lite.inventory import hosts
    from nova_lite.scheduler.pick import pick
    from nova_lite.servers import records
    from nova_lite.workflows.account import account_of, request_to_repeat, with_now

    server = records.get_named(tx, word)
    kept = _kept(tx, server.id)
    account = account_of(server, kept)
    request = request_to_repeat(kept)
    if request is None:
        return account
    found = [_without_it(host, request) if host.name == server.host else host for host in hosts.list_hosts(tx)]
    now = pick(request, found).explanation
    return account if now is None else with_now(account, now)


def _kept(tx: Tx, server_id: str) -> tuple[Record, ...]:
    """Give what is kept of the server's operations, and of the requests of many servers that chose for them."""
    from nova_lite import errors
    from nova_lite.durable import story

    try:
        own = story.find(tx, server_id)
    except errors.NotFound:
        return ()
    parents = dict.fromkeys(record.row["held_by"] for record in own if record.row["held_by"])
    return (*(record for parent in parents for record in _of_operation(tx, parent)), *own)


def _of_operation(tx: Tx, operation_id: str) -> tuple[Record, ...]:
    from nova_lite import errors
    from nova_lite.durable import story

    try:
        return story.find(tx, operation_id)
    except errors.NotFound:
        return ()


def _without_it(host: Host, request: PlacementRequest) -> Host:
    """Give the server's own host as if it were not there: its room is no room that it lacks."""
    return dataclasses.replace(host, used=host.used.less(request.asked))


def lines(account: Account) -> list[str]:
    """Write an account down for people."""
    said = [f"server {account.server}: {account.state}" + (f" on {account.host}" if account.host else "")]
    if account.cause:
        said.append(f"why      {account.cause}")
    said += [f"help     {remedy}" for remedy in account.remedies]
    said += [f"tried    {one}" for one in account.tried]
    if not account.decisions:
        said.append("No decision is kept: ended operations are kept for 30 days, explanations since release 1.2.")
    for decision in account.decisions:
        said += ["", f"decided  {moment(decision.at)} UTC in {decision.step} of operation {decision.operation}"]
        said += _explained(decision.explanation)
    if account.now is not None and (account.changes or not account.decisions):
        said += ["", "now      it would be decided otherwise" if account.decisions else "now      the same request"]
        said += [f"changed  {change}" for change in account.changes]
        said += _explained(account.now)
        said += [f"help     {remedy}" for remedy in account.now.remedies]
    elif account.now is not None:
        said += ["", "now      the hosts stand as they did"]
    return said


def _explained(why: Explanation) -> Iterator[str]:
    yield f"asked    {why.asked.in_words()}; {why.hosts_seen} hosts, {why.fitting} fit"
    yield f"rules    {', '.join(why.filters)}"
    for one in why.reasons:
        amounts = f" (asked {one.asked}, {one.most_free} free at most {one.unit})".replace(" )", ")") if one.asked else ""
        yield f"refused  {one.hosts}: {one.reason}{amounts}, rule {one.filter}; such as {', '.join(one.examples)}"
    for verdict in why.verdicts:
        yield _line(verdict)


def _line(verdict: Verdict) -> str:
    head = f"  {verdict.host}" + (f" and {verdict.alike - 1} alike" if verdict.alike > 1 else "")
    head += f" ({verdict.free.in_words()} free): "
    if verdict.refusals:
        return head + "; ".join(_refused(one) for one in verdict.refusals)
    parts = ", ".join(f"{name} {value:g}" for name, value in verdict.weights.items())
    return f"{head}fits, weight {sum(verdict.weights.values()):g} ({parts})"


def _refused(refusal: Refusal) -> str:
    amounts = f" (asked {refusal.asked}, free {refusal.free} {refusal.unit})".replace(" )", ")") if refusal.lacks else ""
    detail = f" ({refusal.detail})" if refusal.detail else ""
    return f"{refusal.filter}: {refusal.reason}{amounts}{detail}"
