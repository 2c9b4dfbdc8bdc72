"""Compiles the steps of stacks while the package is built, where there is a C compiler."""

import runpy
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileHook(BuildHookInterface):
    """Puts the compiled libraries beside their sources, and into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files are gathered; an sdist has none."""
        if self.target_name != "wheel":
            return
        script = Path(self.root) / "src" / "ermlab" / "native" / "compile.py"
        libraries = runpy.run_path(str(script))["compile_all"]()
        if libraries:
            build_data["pure_python"] = False
            # Of any Python: the libraries know nothing of it.
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{platform}"
            build_data["artifacts"] += [str(path.relative_to(self.root)) for path in libraries]
