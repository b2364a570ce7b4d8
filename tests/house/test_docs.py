"""Every command teaches: help with an example, and a page that knows every option."""

import ast
import builtins
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from coord.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "commands"
# What the recipes are made with.
NOT_RECIPES = {
    "__init__", "decoding", "errors", "gate_cycles", "gate_leaves", "gate_records", "hold", "line",
    "port", "timer", "waiting",
}  # fmt: skip
_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


def _commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        yield from _with_subcommands(name, command)


def _with_subcommands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, child in sorted(command.commands.items()):
            yield from _with_subcommands(f"{path} {name}", child)


COMMANDS = dict(_commands())


def _page(path: str) -> str:
    page = PAGES / f"{path.split()[0]}.md"
    assert page.exists(), f"no page docs/commands/{page.name}"
    return page.read_text()


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_help_with_an_example(path: str) -> None:
    words = COMMANDS[path].help or ""
    assert len(words.strip()) > 20
    _, _, example = words.partition("Example")
    assert f"coord {path.split()[0]}" in example


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_a_page_that_names_every_option(path: str) -> None:
    page = _page(path)
    assert f"# coord {path}\n" in page
    for parameter in COMMANDS[path].params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            for option in parameter.opts:
                assert f"`{option}`" in page, f"docs/commands: {path} {option}"


def test_every_page_is_of_a_command_and_is_listed() -> None:
    listed = (PAGES / "README.md").read_text()
    for page in PAGES.glob("*.md"):
        if page.name != "README.md":
            assert page.stem in COMMANDS
            assert f"({page.name})" in listed


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_says_what_it_does(path: str) -> None:
    for parameter in COMMANDS[path].params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, f"{path} {parameter.name}"


def test_every_recipe_has_a_page() -> None:
    pages = "".join(page.read_text() for page in (ROOT / "docs" / "recipes").glob("*.md"))
    modules = {path.stem for path in (ROOT / "recipes").glob("*.py")} - NOT_RECIPES
    assert modules
    unknown = [
        name for name in sorted(modules) if not re.search(rf"recipes[. ].*\b{name}\b", pages)
    ]
    assert unknown == []


def test_every_link_between_pages_leads_somewhere(project_files: list[str]) -> None:
    dead = [
        f"{path}: {target}"
        for path in project_files
        if path.endswith(".md")
        for target in _LINK.findall((ROOT / path).read_text())
        if not (ROOT / path).parent.joinpath(target).exists()
    ]
    assert dead == []


def test_the_readme_opens_with_a_program_that_is_run() -> None:
    readme = (ROOT / "README.md").read_text()
    shown = readme.split("```python\n")[1].split("```")[0]
    example = (ROOT / "examples" / "01_put_get.py").read_text()
    assert example.endswith(f"\n{shown}")


def test_the_readme_fits_on_a_few_screens() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs" / "jobs").glob("*.md")), ids=lambda p: p.stem
)
def test_programs_on_a_page_of_jobs_import_what_they_use_of_ours(page: Path) -> None:
    shown = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    nodes = [node for block in shown for node in ast.walk(ast.parse(block))]
    known = {
        alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    known |= {node.name for node in nodes if isinstance(node, ast.ClassDef)} | set(dir(builtins))
    used = {node.id for node in nodes if isinstance(node, ast.Name) and node.id[0].isupper()}
    assert used <= known
