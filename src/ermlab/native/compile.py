"""Compiles `chain.c` for the vectors that processors have, and `parzen.c`, with any C compiler.

The build of the package does it (`hatch_build.py`); `python -m ermlab.native.compile` does it anew.
Without a compiler ermlab trains the same stacks by torch's products, and draws the same points by
Optuna's Python, several times slower.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).parent
# By torch's names for what a processor can do: flags, best first.
X86_LEVELS = {
    "AVX512": (
        *("-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mfma"),
        "-mprefer-vector-width=512",
    ),
    "AVX2": ("-mavx2", "-mfma"),
    "DEFAULT": (),
}
# None of them changes what arithmetic means: NaN and infinity stay, sums keep their order.
FLAGS = ("-std=gnu11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared")
# Each operation rounded by itself, and a power computed as one.
PARZEN_FLAGS = ("-std=c11", "-O2", "-ffp-contract=off", "-fno-builtin", "-fPIC", "-shared")


def list_levels() -> list[str]:
    """Name the levels that libraries are compiled for on this kind of machine, best first."""
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    return list(X86_LEVELS) if is_x86 else ["DEFAULT"]


def library_path(level: str) -> Path:
    """Tell where the library of a level is."""
    return HERE / f"chain_{level.lower()}.so"


def parzen_path() -> Path:
    """Tell where the library of `parzen.c` is."""
    return HERE / "parzen_estimator.so"


def digest_sources() -> str:
    """Digest the C files, so that a library of other ones is not used."""
    digest = hashlib.sha256()
    for path in sorted([*HERE.glob("*.c"), *HERE.glob("*.h")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def compile_all() -> list[Path]:
    """Compile all libraries.

    Returns:
        Those that there are; none where there is no compiler, one fewer for each level that it does
        not know.
    """
    compiler = find_compiler()
    if compiler is None:
        _tell("no C compiler found; training and TPE will take longer")
        return []
    plan = {
        library_path(level): ("chain.c", [*FLAGS, *X86_LEVELS.get(level, ())])
        for level in list_levels()
    }
    plan[parzen_path()] = ("parzen.c", list(PARZEN_FLAGS))
    return [target for target, how in plan.items() if _compile(compiler, target, *how)]


def find_compiler() -> list[str] | None:
    """Find the words that a command of the C compiler begins with."""
    named = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    for words in (named.split(), ["cc"], ["gcc"], ["clang"]):
        if words and shutil.which(words[0]):
            return words
    return None


def _compile(compiler: list[str], target: Path, source: str, flags: list[str]) -> bool:
    unfinished = target.with_suffix(f".{os.getpid()}.so")  # another process may load or compile it
    command = [*compiler, *flags, f'-DSOURCES="{digest_sources()}"']
    command += [str(HERE / source), "-o", str(unfinished), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["the compiler did not say why"]
        _tell(f"no {target.name}: {said[0]}")
        unfinished.unlink(missing_ok=True)
        return False
    unfinished.replace(target)
    return True


def _tell(what: str) -> None:
    sys.stderr.write(f"ermlab: {what}\n")


if __name__ == "__main__":
    for path in compile_all():
        _tell(f"compiled {path}")
