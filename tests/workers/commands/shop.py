"""An application for tests of commands: it is named on command lines."""

from workers.app.app import App

app = App()


@app.job(queue="mail", tags=("post",))
def send(to: str, copies: int = 1, urgent: bool = False, also: list[str] | None = None) -> int:
    """Send a letter."""
    return copies
