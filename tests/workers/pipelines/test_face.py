"""What programs import of pipelines is there, and costs nothing before it is used."""

import subprocess
import sys

import pytest

import workers.pipelines as face


@pytest.mark.parametrize("name", face.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(face, name).__name__ == name


def test_no_other_name_is_there() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        getattr(face, "not" + "hing")


def test_importing_the_package_imports_none_of_it() -> None:
    own = "[name for name in sys.modules if 'workers.pipelines.' in name]"
    code = f"import sys, workers.pipelines; print({own})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
