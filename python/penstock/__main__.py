"""`python -m penstock`: the command line without its script."""

from penstock.cli import main

if __name__ == "__main__":
    main()
