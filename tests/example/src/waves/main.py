"""The command `waves`: ermlab's command line with the parts and the options of this project."""

from pathlib import Path

import ermlab


def main() -> None:
    """Run the command line; configurations may call what is in `waves`."""
    ermlab.main(allow=["waves.*"], config_dir=Path(__file__).parent / "conf")
