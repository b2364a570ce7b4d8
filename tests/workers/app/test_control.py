"""What a job raises about itself is checked where it is raised: it ends that attempt alone."""

import math
from typing import Any

import pytest

from coord.errors import Misuse
from workers.app.control import Retry, Snooze
from workers.model.checks import TIME_MS_MAX


@pytest.mark.parametrize("after_ms", [-1, 1.5, math.nan, 2**70, TIME_MS_MAX + 1, "5", True])
def test_a_wait_that_is_none_is_misuse(after_ms: Any) -> None:
    with pytest.raises(Misuse, match="after_ms"):
        Snooze(after_ms)
    with pytest.raises(Misuse, match="after_ms"):
        Retry(after_ms=after_ms)


def test_any_wait_up_to_ten_years_will_do() -> None:
    assert Snooze(TIME_MS_MAX).after_ms == TIME_MS_MAX
    assert Retry(after_ms=0).after_ms == 0
