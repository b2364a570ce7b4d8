"""`coord txn`: several operations at once, if conditions hold."""

import sys
from collections.abc import Iterator
from typing import Any

import click

import coord
from coord.cli.connection import with_client
from coord.cli.delete import delete_json, print_delete
from coord.cli.get import get_json, print_get
from coord.cli.output import Format, header_json, print_bytes, print_json, print_table, write_out
from coord.cli.put import print_put, put_json
from coord.cli.txn_text import parse_compare, parse_operation, split_parts
from coord.requests import DeleteReply, PutReply, RangeReply, TxnOpReply, TxnReply

_PROMPTS = ("compares:", "success requests (get, put, del):", "failure requests (get, put, del):")


@click.command(name="txn")
@click.option("-i", "--interactive", is_flag=True, help="Ask for each part.")
@write_out()
@with_client
def txn(client: coord.Client, form: Format, interactive: bool) -> None:
    """Read a transaction from standard input and run it at one revision, or not at all.

    Three parts, an empty line after each: conditions; operations if all of them hold; operations
    if not. Prints SUCCESS or FAILURE, then the answers, each after an empty line.

    Conditions: val, ver, create, mod or lease of a key, with =, !=, < or >. Operations: put, get
    and del, with the options of the commands of that name.

    \b
    Example, take a lock that nobody holds:
        coord txn <<'END'
        create("lock") = "0"

        put lock "me"

        get lock

        END
    """
    lines = _asking() if interactive else iter(sys.stdin)
    compares, success, failure = split_parts(lines)
    reply = client.txn(
        [parse_compare(line) for line in compares],
        [parse_operation(line) for line in success],
        [parse_operation(line) for line in failure],
    )
    if form is Format.JSON:
        print_json(_txn_json(reply))
    elif form is Format.TABLE:
        answers = [(type(each).__name__.removesuffix("Reply"), str(each)) for each in reply.replies]
        print_table(("outcome", "SUCCESS" if reply.succeeded else "FAILURE"), answers)
    else:
        _print_txn(reply)


def _asking() -> Iterator[str]:
    """Yield standard input's lines, naming each part before it begins."""
    for prompt in _PROMPTS:
        click.echo(prompt)
        for line in sys.stdin:
            yield line
            if not line.strip():
                break


def _print_txn(reply: TxnReply) -> None:
    print_bytes(b"SUCCESS" if reply.succeeded else b"FAILURE")
    for each in reply.replies:
        print_bytes(b"")
        _print_reply(each)


def _print_reply(reply: TxnOpReply) -> None:
    match reply:
        case PutReply():
            print_put(reply)
        case DeleteReply():
            print_delete(reply)
        case RangeReply():
            print_get(reply)
        case _:
            raise AssertionError(f"{type(reply).__name__} was not asked for")


def _txn_json(reply: TxnReply) -> dict[str, Any]:
    return {
        "header": header_json(reply.revision),
        "succeeded": reply.succeeded,
        "responses": [{"Response": _reply_json(each)} for each in reply.replies],
    }


def _reply_json(reply: TxnOpReply) -> dict[str, Any]:
    match reply:
        case PutReply():
            return {"ResponsePut": put_json(reply)}
        case DeleteReply():
            return {"ResponseDeleteRange": delete_json(reply)}
        case RangeReply():
            return {"ResponseRange": get_json(reply)}
        case _:
            raise AssertionError(f"{type(reply).__name__} was not asked for")
