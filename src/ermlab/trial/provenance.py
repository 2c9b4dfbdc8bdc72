"""What a summary records about where its numbers come from: versions and the git commit."""

import functools
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

# Programs that git would start for what stands in a repository's configuration.
QUIET = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
PACKAGES = ("ermlab", "torch", "numpy", "hydra-core", "optuna")


@functools.cache
def find_versions() -> dict[str, str | None]:
    """Return one column per package, `version_torch` and so on; None where it is not installed."""
    columns: dict[str, str | None] = {"version_python": platform.python_version()}
    for package in PACKAGES:
        try:
            columns[f"version_{package.replace('-core', '')}"] = version(package)
        except PackageNotFoundError:
            columns[f"version_{package.replace('-core', '')}"] = None
    return columns


@functools.cache
def find_git_sha(folder: str) -> str | None:
    """Return the commit of the repository that a folder belongs to; `+changes` if it has any.

    None when the folder is in no repository, or git is not there. The repository may be a
    stranger's: no program that its own configuration names is started, and where it names a filter,
    which git would need to tell what has changed, that is said by `+unchecked`.
    """
    try:
        sha = _git(folder, "rev-parse", "HEAD")
        if _has_filter(folder):
            return f"{sha}+unchecked"
        changed = _git(
            folder, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{sha}+changes" if changed else sha


def _git(folder: str, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", folder, *QUIET, *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},  # git would write its index, and call a hook
    )
    return done.stdout.strip()


def _has_filter(folder: str) -> bool:
    """Whether the repository itself, and not the user, names programs that read its files."""
    listed = _git(folder, "config", "--list", "--show-scope", "--name-only")
    pairs = [line.partition("\t") for line in listed.splitlines()]
    own = [name for scope, _, name in pairs if scope not in ("system", "global", "command")]
    return any(name.lower().startswith("filter.") for name in own)
