"""Makes the README's pictures: runs ermlab in a temporary folder and draws what it shows.

Run it with the project's environment: python tests/pictures/make_pictures.py
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

HERE = Path(__file__).parent
ERMLAB = [sys.executable, "-m", "ermlab"]


def draw_text(text: str, path: Path) -> None:
    """Draw the lines of a terminal, light on dark."""
    lines = text.rstrip().splitlines()
    width, height = 0.088 * max(map(len, lines)) + 0.4, 0.19 * len(lines) + 0.3
    figure = Figure(figsize=(width, height), facecolor="#1e1e1e")
    FigureCanvasAgg(figure)
    style = {"family": "monospace", "fontsize": 10, "color": "#e6e6e6", "va": "top"}
    figure.text(0.2 / width, 1 - 0.15 / height, "\n".join(lines), **style)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Make both pictures anew."""
    with tempfile.TemporaryDirectory() as folder:
        run = [*ERMLAB, "hydra.run.dir=run"]
        subprocess.run(run, cwd=folder, check=True, capture_output=True)
        shutil.copy(Path(folder) / "run" / "learning_curve.png", HERE / "learning_curve.png")
        sweep = [*ERMLAB, "-m", "sweeps=step_size", "hydra.sweep.dir=sweep"]
        subprocess.run(sweep, cwd=folder, check=True, capture_output=True)
        columns = "optimizer.lr,status,train_loss,valid_loss,test_loss,best_step"
        command = ["results", "sweep", "--columns", columns]
        shown = subprocess.run(
            [*ERMLAB, *command], cwd=folder, check=True, capture_output=True, text=True
        ).stdout
    draw_text(f"$ ermlab {' '.join(command)}\n{shown}", HERE / "table.png")


if __name__ == "__main__":
    main()
