"""Ids, names and ranks: what a person may give, and what sorts how."""

import pytest

from coord.errors import Misuse
from workers.model.ids import PRIORITY_MAX, JobId, rank
from workers.model.names import NAME_CHARS_MAX, check_name

ITEM = "5000000000000012a0000"


def test_an_id_is_read_back_as_it_is_written() -> None:
    job_id = JobId.parse(f"emails:{ITEM}")
    assert (job_id.queue, job_id.item) == ("emails", ITEM)
    assert str(job_id) == f"emails:{ITEM}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "emails",
        ITEM,
        f":{ITEM}",
        f"a/b:{ITEM}",
        f"q:{ITEM}0",
        f"q:{ITEM.upper()}",
        "q:x",
        "q:5" + "9" * 20,  # of a revision that cannot be
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(Misuse):
        JobId.parse(text)


def test_more_urgent_items_sort_before_less_urgent_ones_and_say_how_urgent_they_are() -> None:
    ranks = [rank(priority) for priority in range(PRIORITY_MAX + 1)]
    assert ranks == sorted(ranks, reverse=True)
    assert JobId("q", rank(7) + "0" * 20).priority == 7


@pytest.mark.parametrize("priority", [-1, 10])
def test_there_is_no_such_priority(priority: int) -> None:
    with pytest.raises(Misuse):
        rank(priority)


@pytest.mark.parametrize("name", ["a", "mail-1", "tenant.acme@eu_2", "x" * NAME_CHARS_MAX])
def test_a_name_may_be_letters_digits_and_a_few_signs(name: str) -> None:
    assert check_name("queue", name) == name


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", "a\n", "ü", "x" * (NAME_CHARS_MAX + 1)])
def test_any_other_name_is_refused_by_what_it_is_the_name_of(name: str) -> None:
    with pytest.raises(Misuse, match="queue"):
        check_name("queue", name)
