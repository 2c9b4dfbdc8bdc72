"""What a user's sweep brings into other processes: a model that may kill its process."""

import os
import signal

import torch


class Net(torch.nn.Module):
    def __init__(self, n_inputs, n_outputs, width, kills):
        super().__init__()
        self.first = torch.nn.Linear(n_inputs, width)
        self.last = torch.nn.Linear(width, n_outputs)
        self.kills = kills

    def forward(self, x):
        if self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.last(torch.sin(self.first(x)))


def broken(n_inputs, n_outputs, width, kills):
    raise OSError(f"no weights for {width}")
