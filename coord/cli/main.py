"""The `coord` command: a group whose members are loaded when they are asked for."""

import click


@click.group(name="coord")
@click.version_option(package_name="coord")
def main() -> None:
    """Run and use a coord cluster."""


if __name__ == "__main__":
    main()
