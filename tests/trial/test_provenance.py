"""Where a summary's numbers come from: versions of packages, and the commit of the folder."""

import platform
import subprocess

import pytest
import torch

from ermlab.trial import provenance
from ermlab.trial.provenance import find_git_sha, find_versions


@pytest.fixture(autouse=True)
def fresh_caches():
    """Let each test ask anew, and leave nothing of its answers to others."""
    find_git_sha.cache_clear()
    find_versions.cache_clear()
    yield
    find_git_sha.cache_clear()
    find_versions.cache_clear()


def git(folder, *words):
    name = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    command = ["git", "-C", str(folder), *name, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """Give a repository with one commit."""
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_versions_are_those_of_this_process():
    versions = find_versions()
    assert versions["version_python"] == platform.python_version()
    assert versions["version_torch"] == torch.__version__


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("not-installed-anywhere",))
    assert find_versions()["version_not-installed-anywhere"] is None


def test_the_commit_of_a_repository_is_found(repository):
    assert find_git_sha(str(repository)) == git(repository, "rev-parse", "HEAD")


def test_a_folder_below_the_root_has_the_commit_of_its_repository(repository):
    (repository / "below").mkdir()
    assert find_git_sha(str(repository / "below")) == git(repository, "rev-parse", "HEAD")


def test_changes_to_tracked_files_are_told(repository):
    (repository / "file").write_text("two")
    assert find_git_sha(str(repository)) == f"{git(repository, 'rev-parse', 'HEAD')}+changes"


def test_untracked_files_are_no_change(repository):
    # The run directories themselves are such files.
    (repository / "outputs").write_text("")
    assert find_git_sha(str(repository)) == git(repository, "rev-parse", "HEAD")


def test_a_repository_without_a_commit_has_none(tmp_path):
    git(tmp_path, "init", "-q")
    assert find_git_sha(str(tmp_path)) is None


def test_a_folder_in_no_repository_has_no_commit(tmp_path):
    assert find_git_sha(str(tmp_path)) is None


def test_a_machine_without_git_has_no_commit(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert find_git_sha(str(repository)) is None
