"""Job functions are found by name, and only those that were registered."""

import pytest

from workers.registry import JobContext, Registry, load_registry


def test_a_registered_function_is_found_by_name() -> None:
    registry = Registry()

    @registry.job("double")
    def double(context: JobContext, *, number: int) -> int:
        return 2 * number

    assert registry.find("double") is double
    assert registry.find("triple") is None
    assert registry.names == ("double",)


def test_a_name_is_given_once() -> None:
    registry = Registry()
    registry.job("same")(lambda context: None)
    with pytest.raises(ValueError, match="same"):
        registry.job("same")(lambda context: None)


def test_a_registry_is_loaded_by_path() -> None:
    assert load_registry("workers.demo.index.jobs:registry").names == ("merge", "parse")


@pytest.mark.parametrize("path", ["", "workers.jobs", "workers.jobs:", ":registry"])
def test_a_path_of_another_form_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="form"):
        load_registry(path)


def test_something_else_than_a_registry_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a"):
        load_registry("workers.jobs:STEPS")


def test_a_module_that_is_not_there_is_an_import_error() -> None:
    with pytest.raises(ImportError):
        load_registry("workers.nowhere:registry")
