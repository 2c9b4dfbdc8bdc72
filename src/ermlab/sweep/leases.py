"""Says which process works on which trial of a shared study, and which of them are dead.

A lease is a row of the table `ermlab_leases` in the study's database: the number of a trial, the
process that has it, and when that process was last heard of, by the database's clock. A process is
heard of through its heartbeat, one statement for all its trials. A lease that was not renewed for
two intervals may be taken by another process: an update that asks for the owner that was seen, so
that of several processes exactly one gets it.

Optuna's own heartbeat fails a stale trial and queues a copy with another number, in two steps
between which the trial can be lost; and it needs a statement for each trial.
"""

import logging
import os
import platform
import secrets
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

log = logging.getLogger(__name__)

GRACE = 2  # intervals without a heartbeat after which a process counts as dead; as Optuna has it
NOBODY = ""  # owner of a lease that its process gave back
DONE = "done"  # owner of a lease whose work is done for good

_METADATA = sa.MetaData()
TABLE = sa.Table(
    "ermlab_leases",
    _METADATA,
    sa.Column("study_id", sa.Integer, primary_key=True, autoincrement=False),
    # Of the trial; -1 - n for the test of trial n.
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("owner", sa.String(128), nullable=False),
    sa.Column("n_taken", sa.Integer, nullable=False),  # how often from a dead process
    sa.Column("beat", sa.DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Who has a trial.

    Args:
        number: of the trial.
        owner: the process.
        n_taken: how often the trial was taken from a dead process.
        age_s: since the owner was last heard of [s], >= 0.
    """

    number: int
    owner: str
    n_taken: int
    age_s: float


def name_process() -> str:
    """Make a name for this process that no other has."""
    return f"{platform.node()[:80]}:{os.getpid()}:{secrets.token_hex(8)}"


class Leases:
    """The leases of one study, as one process sees and takes them.

    Args:
        engine: of the database, which has the table (see `create_table`).
        study_id: of the study in Optuna's tables.
        owner: the name of this process.
        interval_s: between two heartbeats [s], > 0.
    """

    def __init__(self, engine: sa.Engine, study_id: int, owner: str, interval_s: float) -> None:
        self._engine, self._study_id, self._owner = engine, study_id, owner
        self.grace_s = GRACE * interval_s
        self._here = TABLE.c.study_id == study_id
        self._mine = self._here & (TABLE.c.owner == owner)

    def claim(self, number: int) -> bool:
        """Take what no process has had; return whether this process got it."""
        return self._insert(number, self._owner)

    def find(self, numbers: Collection[int]) -> list[Lease]:
        """The leases of some trials, those of this process included."""
        columns = (TABLE.c.number, TABLE.c.owner, TABLE.c.n_taken, TABLE.c.beat)
        query = sa.select(*columns, sa.func.now()).where(self._here, TABLE.c.number.in_(numbers))
        with self._engine.begin() as connection:
            rows = connection.execute(query).all()
        return [
            Lease(number=number, owner=owner, n_taken=n, age_s=(now - beat).total_seconds())
            for number, owner, n, beat, now in rows
        ]

    def has(self, number: int) -> bool:
        """Whether this process still has a trial."""
        return any(lease.owner == self._owner for lease in self.find([number]))

    def find_stale(self, numbers: Collection[int]) -> list[Lease]:
        """The leases of some trials that may be taken."""
        leases = self.find(numbers) if numbers else []
        for number in set(numbers) - {lease.number for lease in leases}:
            # Queued by hand, and begun by a process that died at once. Found at the next call.
            self._insert(number, NOBODY)
        return [
            lease
            for lease in leases
            if lease.owner == NOBODY
            or (lease.owner not in (self._owner, DONE) and lease.age_s > self.grace_s)
        ]

    def take(self, lease: Lease) -> bool:
        """Take a lease from the owner that was seen; return whether this process got it."""
        n_taken = lease.n_taken + (lease.owner != NOBODY)  # one given back is of no dead process
        seen = (TABLE.c.owner == lease.owner) & (TABLE.c.n_taken == lease.n_taken)
        statement = (
            sa.update(TABLE)
            .where(self._here, TABLE.c.number == lease.number, seen)
            .values(owner=self._owner, n_taken=n_taken, beat=sa.func.now())
        )
        return self._execute(statement) == 1

    def renew(self, numbers: Sequence[int]) -> bool:
        """Be heard of; return whether this process still has all these trials."""
        statement = (
            sa.update(TABLE)
            .where(self._mine, TABLE.c.number.in_(numbers))
            .values(beat=sa.func.now())
        )
        return self._execute(statement) == len(numbers)

    def give_back(self, numbers: Sequence[int]) -> None:
        """Let other processes take trials at once that this one will not finish."""
        self._hand_over(numbers, NOBODY)

    def finish(self, number: int) -> None:
        """Say that the work of a lease is done for good."""
        self._hand_over([number], DONE)

    def _insert(self, number: int, owner: str) -> bool:
        try:
            with self._engine.begin() as connection:
                connection.execute(new_lease(self._study_id, number, owner))
        except sa.exc.IntegrityError:  # another process has inserted the row
            return False
        return True

    def _hand_over(self, numbers: Sequence[int], owner: str) -> None:
        mine = sa.update(TABLE).where(self._mine, TABLE.c.number.in_(numbers))
        self._execute(mine.values(owner=owner))

    def _execute(self, statement: sa.Update) -> int:
        with self._engine.begin() as connection:
            return int(connection.execute(statement).rowcount)


def create_table(engine: sa.Engine) -> None:
    """Create the table of the leases where it is not there."""
    _METADATA.create_all(engine)


def new_lease(study_id: int, number: int, owner: str) -> sa.Insert:
    """The statement that inserts a lease."""
    row = {"study_id": study_id, "number": number, "owner": owner, "n_taken": 0}
    return sa.insert(TABLE).values(**row, beat=sa.func.now())


class Heartbeat:
    """Renews the leases of this process in a thread of its own.

    Args:
        leases: see `Leases`.
        interval_s: between two heartbeats [s], > 0.
    """

    def __init__(self, leases: Leases, interval_s: float) -> None:
        self._leases, self._interval_s = leases, interval_s
        self._numbers: set[int] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def add(self, number: int) -> None:
        """Renew the lease of a trial from now on."""
        with self._lock:
            self._numbers.add(number)

    def remove(self, number: int) -> None:
        """Renew the lease of a trial no more."""
        with self._lock:
            self._numbers.discard(number)

    @contextmanager
    def holding(self, number: int) -> Iterator[None]:
        """Renew a lease while the block runs."""
        self.add(number)
        try:
            yield
        finally:
            self.remove(number)

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(self._interval_s):
            with self._lock:
                numbers = sorted(self._numbers)
            if not numbers:
                continue
            try:
                self._leases.renew(numbers)
            except sa.exc.SQLAlchemyError as error:
                # The next beat may get through; the training goes on meanwhile.
                told = str(error).splitlines()[0]
                log.warning("the storage could not be told that this process lives: %s", told)
