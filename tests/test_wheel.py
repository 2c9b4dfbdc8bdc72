"""Builds the wheel and runs it far from the checkout: it carries its configuration with it.

The editable install is what every other test runs; the last test here runs the bare checkout.
"""

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from ermlab.native.compile import find_compiler

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"


def run_python(*args: str, cwd: Path, path: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder with a PYTHONPATH, which goes before every installed package."""
    return subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def must_run(*args: str, cwd: Path, path: str = "") -> str:
    """Run Python, expect success, and return what it printed."""
    done = run_python(*args, cwd=cwd, path=path)
    assert done.returncode == 0, f"{' '.join(args)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def where_imported(*, cwd: Path, path: str) -> Path:
    """Tell which ermlab a process imports, by the folder of its package."""
    code = "import ermlab; print(ermlab.__file__)"
    return Path(must_run("-c", code, cwd=cwd, path=path).strip()).parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with what is installed here, so without a download."""
    folder = tmp_path_factory.mktemp("dist")
    options = ("--wheel", "--no-isolation", "--outdir", str(folder))
    must_run("-m", "build", *options, str(ROOT), cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """List the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a folder of its own, without what it depends on."""
    folder = tmp_path_factory.mktemp("site")
    options = ("--quiet", "--no-deps", "--no-index", "--target", str(folder))
    must_run("-m", "pip", "install", *options, str(wheel), cwd=folder)
    return folder


def test_the_wheel_holds_every_config_and_sweep(names: set[str]) -> None:
    files = [*CONF.rglob("*.yaml"), *(CONF / "sweeps").glob("*.yaml")]
    wanted = {f"ermlab/conf/{file.relative_to(CONF)}" for file in files}
    assert "ermlab/conf/config.yaml" in wanted
    assert not wanted - names


def test_the_wheel_holds_every_module_and_what_the_report_is_made_of(names: set[str]) -> None:
    src = ROOT / "src"
    modules = [file for file in src.rglob("*.*") if file.is_file() and file.suffix != ".pyc"]
    assert src / "ermlab" / "results" / "report" / "page" / "report.css" in modules
    assert not {str(file.relative_to(src)) for file in modules} - names


def test_the_wheel_holds_nothing_else(names: set[str]) -> None:
    folders = {name.split("/")[0] for name in names}
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {"ermlab"}
    assert not [name for name in names if "__pycache__" in name]


def test_the_wheel_is_of_any_python_and_loads_the_library_that_it_compiled(
    wheel: Path, site: Path, tmp_path: Path
) -> None:
    if find_compiler() is None:
        pytest.skip("this machine has no C compiler")
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")
    code = "import ermlab.native.library as it; print(it.find_library('DEFAULT')._name)"
    found = must_run("-c", code, cwd=tmp_path, path=str(site)).strip()
    assert Path(found).parent == site / "ermlab" / "native"


def test_the_source_distribution_compiles_elsewhere(tmp_path: Path) -> None:
    must_run(
        "-m",
        "build",
        "--sdist",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
        str(ROOT),
        cwd=tmp_path,
    )
    (built,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"hatch_build.py", "src/ermlab/native/chain.c", "src/ermlab/native/model.h"} <= names
    assert not [name for name in names if name.endswith(".so")]


def test_the_wheel_brings_the_command(site: Path) -> None:
    (entry_points,) = site.glob("ermlab-*.dist-info/entry_points.txt")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    line = f"ermlab = {project['scripts']['ermlab']}"
    assert line in entry_points.read_text(encoding="utf-8").splitlines()


def test_the_wheel_is_what_these_tests_import(site: Path, tmp_path: Path) -> None:
    assert where_imported(cwd=tmp_path, path=str(site)) == site / "ermlab"


def test_the_wheel_composes_its_own_configuration(site: Path, tmp_path: Path) -> None:
    seen = must_run("-m", "ermlab", "--cfg", "job", cwd=tmp_path, path=str(site))
    assert "optimizer:" in seen
    # The same names with other content would show; so mark the copy and look again.
    config = site / "ermlab" / "conf" / "config.yaml"
    text = config.read_text(encoding="utf-8")
    try:
        config.write_text(text.replace("\nseed: ", "\nseed: 99"), encoding="utf-8")
        seen = must_run("-m", "ermlab", "--cfg", "job", cwd=tmp_path, path=str(site))
    finally:
        config.write_text(text, encoding="utf-8")
    assert "seed: 99" in seen, "the configuration is not read from the installed package"


def test_the_wheel_trains_in_an_empty_folder(site: Path, tmp_path: Path) -> None:
    must_run("-m", "ermlab", "loop.epochs=1", cwd=tmp_path, path=str(site))
    assert len(list(tmp_path.glob("outputs/*/*/summary.json"))) == 1


def test_the_wheel_names_the_known_sweeps_for_an_unknown_one(site: Path, tmp_path: Path) -> None:
    done = run_python("-m", "ermlab", "-m", "sweeps=nope", cwd=tmp_path, path=str(site))
    assert done.returncode != 0
    known = {file.stem for file in (ROOT / "sweeps").glob("*.yaml")}
    assert "step_size" in known
    said = (done.stdout + done.stderr).replace(",", " ").split()
    assert not known - set(said), f"not named:\n{done.stdout}\n{done.stderr}"


def test_the_bare_checkout_runs_before_an_installed_wheel(site: Path, tmp_path: Path) -> None:
    path = f"{ROOT / 'src'}{os.pathsep}{site}"
    assert where_imported(cwd=tmp_path, path=path) == ROOT / "src" / "ermlab"
    seen = must_run("-m", "ermlab", "--cfg", "job", cwd=tmp_path, path=path)
    assert "optimizer:" in seen
