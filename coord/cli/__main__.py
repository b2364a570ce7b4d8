"""Lets `python -m coord.cli` stand for the `coord` command."""

from coord.cli.main import main

if __name__ == "__main__":
    main()
