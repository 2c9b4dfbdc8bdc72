"""Makes the README's pictures: runs ermlab in a temporary folder and shows what it made.

Run it with the project's environment: python tests/pictures/make_pictures.py
It needs Chromium for the pictures of the report (see tests/services/chromium.py).
"""

import base64
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parents[1] / "services"))
from chromium import browse, emulate, find_browser, set_width

HERE = Path(__file__).parent
ERMLAB = [sys.executable, "-m", "ermlab"]
SWEEP = [
    "hydra/sweeper=study", "hydra/launcher=stacked", "sweeps=hidden_step_batch",
    "hydra.sweeper.n_jobs=16", "hydra.sweeper.replicates=3", "hydra.sweep.dir=search",
]  # fmt: skip
GRID = [
    "hydra/launcher=stacked", "optimizer=sgd", "optimizer.lr=0.3,1,3,10,30,100",
    "loop.batch_size=10,20,50,100,200", "seed=0,1,2", "hydra.sweep.dir=grid",
]  # fmt: skip
PLOTS = {
    "curves": ["search", "--kind", "curves"],
    "slice": ["search", "--kind", "slice"],
    "parallel": ["search", "--kind", "parallel"],
    "importance": ["search", "--kind", "importance"],
    "timeline": ["search", "--kind", "timeline"],
    "pareto": ["search", "--kind", "pareto", "--columns", "n_parameters,valid_loss"],
    "heatmap": ["grid", "--kind", "heatmap"],
}
WINDOW = (1000, 1650)  # CSS pixels: the first screens of the report


def run(folder: str, *words: str) -> str:
    """Run ermlab and return what it printed."""
    done = subprocess.run([*ERMLAB, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def draw_text(text: str, path: Path) -> None:
    """Draw the lines of a terminal, light on dark."""
    lines = text.rstrip().splitlines()
    width, height = 0.088 * max(map(len, lines)) + 0.4, 0.19 * len(lines) + 0.3
    figure = Figure(figsize=(width, height), facecolor="#1e1e1e")
    FigureCanvasAgg(figure)
    style = {"family": "monospace", "fontsize": 10, "color": "#e6e6e6", "va": "top"}
    figure.text(0.2 / width, 1 - 0.15 / height, "\n".join(lines), **style)
    figure.savefig(path, dpi=150)


def photograph(page: Path) -> None:
    """Take pictures of a report in light and dark colours, and of its table."""
    paths = find_browser()
    if isinstance(paths, str):
        sys.exit(f"no picture of the report: {paths}")
    with tempfile.TemporaryDirectory() as profile, browse(paths, Path(profile)) as driver:
        for scheme in ("light", "dark"):
            emulate(driver, scheme=scheme)
            set_width(driver, *WINDOW)
            driver.get(page.as_uri())
            shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
            (HERE / f"report_{scheme}.png").write_bytes(base64.b64decode(shot["data"]))


def main() -> None:
    """Make all pictures anew."""
    with tempfile.TemporaryDirectory() as folder:
        run(folder, "hydra.run.dir=run")
        shutil.copy(Path(folder) / "run" / "learning_curve.png", HERE / "learning_curve.png")
        run(folder, "-m", "sweeps=step_size", "hydra.sweep.dir=sweep")
        columns = "optimizer.lr,status,train_loss,valid_loss,test_loss,best_step"
        command = ["results", "sweep", "--columns", columns]
        draw_text(f"$ ermlab {' '.join(command)}\n{run(folder, *command)}", HERE / "table.png")
        run(folder, "-m", *SWEEP)
        run(folder, "-m", *GRID)
        for name, words in PLOTS.items():
            run(folder, "plot", *words, "--output", str(HERE / f"{name}.png"))
        run(folder, "report", "search")
        photograph(Path(folder) / "search" / "report.html")


if __name__ == "__main__":
    main()
