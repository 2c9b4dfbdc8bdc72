"""What a summary records about where its numbers come from: versions and the git commit."""

import functools
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

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

    None when the folder is in no repository, or git is not there.
    """
    try:
        sha = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{sha}+changes" if changed else sha


def _git(folder: str, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", folder, *words], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
