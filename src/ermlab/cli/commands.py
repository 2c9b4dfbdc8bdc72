"""The commands beside Hydra's application, as the shell sees them: `results`, `predict` and others.

They are described in `commands_results.py` and `commands_runs.py`.
"""

from collections.abc import Callable, Sequence

from ermlab.cli import commands_results, commands_runs
from ermlab.cli.commands_results import Command
from ermlab.errors import ConfigError, name_known


def run_command(words: Sequence[str], *, allow: Sequence[str]) -> None:
    """Run a command.

    Args:
        words: its name, then its arguments.
        allow: patterns of further `_target_`s that configurations may call.

    Raises:
        ConfigError: there is no such command.
        SystemExit: always at its end; with code 0 if all went well.
    """
    commands: dict[str, Callable[[], Command]] = {
        "results": commands_results.make_results,
        "compare": commands_results.make_compare,
        "plot": commands_results.make_plot,
        "report": commands_results.make_report,
        "resume": lambda: commands_runs.make_resume(allow),
        "verify": lambda: commands_runs.make_verify(allow),
        "transfer": lambda: commands_runs.make_transfer(allow),
        "predict": lambda: commands_runs.make_predict(allow),
        "dashboard": commands_runs.make_dashboard,
    }
    name = words[0]
    if name not in commands:
        raise ConfigError(
            f"there is no command {name!r}",
            where="the first word after ermlab",
            fix=f"use one of: {name_known(commands)}; or KEY=VALUE to change the configuration",
        )
    from typer import Typer

    app = Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name=name)(commands[name]())
    app(args=list(words[1:]), prog_name=f"ermlab {name}")
