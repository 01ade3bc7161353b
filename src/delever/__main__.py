"""`python -m delever` is the `delever` command."""

from delever.cli.main import main

if __name__ == "__main__":
    main()
