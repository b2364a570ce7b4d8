"""An application for the tests of the test kit, with a note of what its jobs did."""

import attrs
import pytest

from workers import App


@attrs.define
class Shop:
    """An application, and what its jobs did."""

    app: App = attrs.field(factory=App)
    did: list[str] = attrs.field(factory=list)


@pytest.fixture
def shop() -> Shop:
    """Return an application with a few jobs."""
    shop = Shop()

    @shop.app.job(queue="mail")
    def send(to: str) -> str:
        shop.did.append(to)
        return f"sent to {to}"

    @shop.app.job
    def add(counts: list[str]) -> str:
        return "; ".join(counts)

    return shop
