"""`coord demo`: demonstrations, each with a cluster of its own."""

import click

from workers.demo.index.command import index


@click.group(name="demo")
def demo() -> None:
    """See a cluster at work; nothing has to run before, nothing is left after.

    \b
    Example:
        coord demo index
    """


demo.add_command(index)
