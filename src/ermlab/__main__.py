"""`python -m ermlab`: the console script, with the working directory on `sys.path`."""

from ermlab.cli.main import main

if __name__ == "__main__":
    main()
