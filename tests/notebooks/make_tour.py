"""Writes `tour.ipynb` with the outputs of its run: python tests/notebooks/make_tour.py.

The notebook is made here rather than edited, so that its cells are read and reviewed as text.
"""

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

TOUR = Path(__file__).parent / "tour.ipynb"
WIDTH = 64  # dots per inch: a picture of some 15 kB

CELLS = [
    """# ermlab in a notebook

A sweep, its table, a picture, and the model that won. What `ermlab` does on the command line it
does here as well, with the same configuration, files and numbers; the process of the notebook is
left as it was.""",
    """import ermlab

WORDS = [
    "optimizer.lr=0.001,0.003,0.01,0.03",
    "seed=0,1,2",
    "model.hidden_units=16",
    "loop.epochs=10",
    "plot=false",
    "hydra/launcher=stacked",  # the twelve trials train as one model
    "hydra.sweep.dir=tour",
    "hydra/job_logging=disabled",
    "hydra/hydra_logging=disabled",
]
runs = ermlab.sweep(WORDS)""",
    """`runs` is a pandas DataFrame with a row for each run: every key of the configuration and
every result.""",
    """runs.groupby("optimizer.lr")[["train_loss", "valid_loss"]].agg(["mean", "std"]).round(3)""",
    """The history has a row for each validation; here the mean over the seeds.""",
    """import matplotlib.pyplot as plt

history = ermlab.load_history("tour").merge(
    runs.assign(run_dir=["tour/" + each.rpartition("/")[2] for each in runs["run_dir"]])[
        ["run_dir", "optimizer.lr"]
    ],
    on="run_dir",
)
curves = history.groupby(["step", "optimizer.lr"])["valid_loss"].mean().unstack()
axes = curves.plot(figsize=(6, 3.2), ylabel="validation loss [1]", xlabel="step [1]")
axes.get_figure().tight_layout()
plt.show()""",
    """The best model is an ordinary `torch.nn.Module`, ready to be called.""",
    """best = runs.loc[runs["valid_loss"].idxmin()]
model = ermlab.load_model(best["run_dir"])
model""",
    """import torch

with torch.no_grad():
    outputs = model(torch.zeros(2, 100))
print(f"step size {best['optimizer.lr']}, outputs of shape {tuple(outputs.shape)}")""",
]


def make_tour() -> nbformat.NotebookNode:
    """Make the notebook, without outputs."""
    cells = [
        new_markdown_cell(text, id=f"cell-{place}")
        if place in (0, 2, 4, 6)
        else new_code_cell(text, id=f"cell-{place}")
        for place, text in enumerate(CELLS)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def execute(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Carry out a notebook in a folder; raise what a cell raises."""
    client = NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(folder)}}, record_timing=False
    )
    return client.execute()


def main() -> None:
    """Execute the notebook in an empty folder and write it with its outputs."""
    with tempfile.TemporaryDirectory() as folder:
        # The picture's size in the file follows from the dots per inch.
        (Path(folder) / "matplotlibrc").write_text(f"figure.dpi: {WIDTH}\n")
        notebook = execute(make_tour(), Path(folder))
    notebook.metadata.pop("language_info", None)
    nbformat.write(notebook, TOUR)


if __name__ == "__main__":
    main()
