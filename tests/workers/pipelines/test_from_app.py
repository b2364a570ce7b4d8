"""An application's jobs in pipelines, and the blocking faces of pipelines and gates."""

import pytest

from coord.errors import Misuse
from workers.app.app import App
from workers.app.options import Unique
from workers.errors import BadArguments
from workers.model.job import Backoff
from workers.pipelines.from_app import listed, template
from workers.pipelines.spec import Call

app = App()


@app.job(queue="io", priority=7, attempts_max=2, limits=("disk.{disk}",), expires_after_ms=500)
def read(path: str, disk: str) -> int:
    return len(path) + len(disk)


def test_a_checked_call_becomes_a_job_with_all_its_options() -> None:
    assert listed(read.options(tags=("t",), backoff=Backoff(5)).call("x", "a")) == (
        Call(
            "read",
            {"path": "x", "disk": "a"},
            "io",
            7,
            ("t",),
            attempts_max=2,
            backoff=Backoff(5),
            expires_after_ms=500,
            limits=("disk.a",),
        ),
    )


def test_a_template_takes_the_rest_of_its_arguments_later() -> None:
    assert template(read, disk="b").args == {"disk": "b"}
    assert template(read, disk="b").limits == ("disk.b",)


def test_what_has_no_meaning_in_a_pipeline_is_refused() -> None:
    with pytest.raises(BadArguments, match="disk"):
        template(read)
    with pytest.raises(Misuse, match="no unique key, delay"):
        listed(read.options(unique=Unique()).call("x", "a"))
    with pytest.raises(Misuse, match="no unique key, delay"):
        listed(read.options(delay_ms=1).call("x", "a"))
