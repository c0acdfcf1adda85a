"""`python -m impasto`."""

from impasto.cli.main import main

if __name__ == "__main__":
    main()
