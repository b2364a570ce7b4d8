"""`coord elect`: what it refuses before it asks anybody. What it does, real processes show."""

from click.testing import CliRunner

from recipes.commands.elect import elect


def test_an_office_without_a_name_is_refused() -> None:
    result = CliRunner().invoke(elect, ["", "v", "--", "true"])
    assert result.exit_code == 2
    assert "not empty" in result.stderr
