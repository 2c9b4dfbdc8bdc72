"""Best model and early stopping: what the validations of one trial decide."""

from dataclasses import dataclass

INF = float("inf")


@dataclass(slots=True)
class Best:
    """The lowest validation loss of a trial so far.

    Args:
        loss: the lowest; +inf before the first validation [loss].
        step: the step that it was measured after, counted from 0; -1: none.
        misses: validations in a row since then.

    Source:
        Prechelt (1998), "Early Stopping - But When?": the quantity called E_opt.
    """

    loss: float = INF
    step: int = -1
    misses: int = 0

    def take(self, loss: float, step: int, *, counts: bool = True) -> bool:
        """Take in the next validation.

        Args:
            loss: of this validation; NaN is no improvement [loss].
            step: that it was measured after.
            counts: whether it may be the lowest; what a diverging trial measures may not.

        Returns:
            Whether it is the lowest so far.
        """
        if counts and loss < self.loss:
            self.loss, self.step, self.misses = loss, step, 0
            return True
        self.misses += 1
        return False
