"""(c): Optuna's own loop around the fastest plain training, in one process, in memory."""

import argparse

import optuna
import torch
from plain_loop import train_fast
from search import RESULTS, suggest_point, write_result


def main() -> None:
    """Carry out a study of the size asked for."""
    parser = argparse.ArgumentParser()
    for name in ("--trials", "--epochs", "--widest", "--seed"):
        parser.add_argument(name, type=int, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: optuna.Trial) -> float:
        point = suggest_point(trial, args.widest)
        valid_loss = train_fast(
            hidden_units=point.hidden_units,
            lr=point.lr,
            batch_size=point.batch_size,
            epochs=args.epochs,
        )
        write_result(RESULTS, point, valid_loss)
        return valid_loss

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=args.seed))
    study.optimize(objective, n_trials=args.trials)


if __name__ == "__main__":
    main()
