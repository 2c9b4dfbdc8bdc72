"""Conditions on runs, such as `model.hidden_units > 32 and status == 'completed'`.

The text is parsed as a Python expression, and the few kinds of node that a condition needs are
evaluated here. Nothing is ever called or looked up in an object, so a condition cannot run code.
"""

import ast
import operator
import re
import warnings
from collections.abc import Callable
from functools import reduce
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from ermlab.errors import ConfigError, name_known

MAX_LENGTH = 2000  # own; a longer text may nest deeper than Python's parser can go

_WORDS = {"true": True, "false": False, "null": None}  # as YAML writes them
_QUOTED = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|`([^`]*)`""")
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def find_matching(frame: pd.DataFrame, where: str) -> "pd.Series[bool]":
    """Tell for each row whether it meets a condition.

    Args:
        frame: one row per run.
        where: comparisons (`==`, `<`, `in [...]`, ...) of columns, numbers, quoted text, `true`,
            `false` and `null`, with `+ - * / // %`, joined by `and`, `or`, `not`. A column name
            that is not made of plain words stands in backticks.

    Returns:
        One bool per row. A comparison with a missing value is false, `!=` true, and `== null` asks
        for missing values.

    Raises:
        ConfigError: the text is no such condition, or names an unknown column.
    """
    return _Condition(frame, where).evaluate()


class _Condition:
    def __init__(self, frame: pd.DataFrame, text: str) -> None:
        self._frame = frame
        self._text = text
        self._in_backticks: list[str] = []

    def evaluate(self) -> "pd.Series[bool]":
        if len(self._text) > MAX_LENGTH:
            raise self._error(f"the condition has more than {MAX_LENGTH} characters")
        plain = _QUOTED.sub(self._replace_backticks, self._text.strip())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python's advice on style, such as for "\d"
                tree = ast.parse(plain, mode="eval")
            return self._truth(tree.body)
        except (SyntaxError, RecursionError, MemoryError) as error:
            raise self._error(f"{self._text!r} cannot be read as a condition") from error
        except (TypeError, ValueError, ArithmeticError, NotImplementedError) as error:
            reason = " ".join(str(error).split())
            raise self._error(f"{self._text!r} cannot be evaluated: {reason}") from error

    def _replace_backticks(self, match: re.Match[str]) -> str:
        if match[2] is None:
            return match[1]  # quoted text, in which a backtick is a backtick
        self._in_backticks.append(match[2])
        return f"__column_{len(self._in_backticks) - 1}__"

    def _truth(self, node: ast.expr) -> "pd.Series[bool]":
        """Evaluate what must be true or false of each row."""
        match node:
            case ast.BoolOp(op=ast.And(), values=parts):
                return reduce(operator.and_, map(self._truth, parts))
            case ast.BoolOp(values=parts):
                return reduce(operator.or_, map(self._truth, parts))
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return ~self._truth(part)
            case ast.Compare(left=left, ops=ops, comparators=rights):
                lefts = [left, *rights[:-1]]
                links = [self._compare(*link) for link in zip(lefts, ops, rights, strict=True)]
                return reduce(operator.and_, links)
            case ast.Name() | ast.Attribute():
                flags = self._value(node)
                if isinstance(flags, pd.Series) and is_bool_dtype(flags):
                    return _filled(flags, missing=False)
        raise self._error(f"{ast.unparse(node)!r} is not a condition: it is neither true nor false")

    def _compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> "pd.Series[bool]":
        if isinstance(op, ast.In | ast.NotIn):
            is_in = self._column_of(left).isin(self._list(right))
            return is_in if isinstance(op, ast.In) else ~is_in
        compare = _COMPARISONS.get(type(op))
        first, second = self._value(left), self._value(right)
        if compare is None or not any(isinstance(each, pd.Series) for each in (first, second)):
            raise self._error("a comparison needs a column, and one of == != < <= > >= in")
        if isinstance(op, ast.Eq | ast.NotEq) and (first is None or second is None):
            column: pd.Series[Any] = first if second is None else second
            return column.isna() if isinstance(op, ast.Eq) else column.notna()
        return _filled(compare(first, second), missing=isinstance(op, ast.NotEq))

    def _value(self, node: ast.expr) -> Any:
        """Evaluate a column, a literal, or arithmetic of numbers."""
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return value
            case ast.Name(id=name) if name in _WORDS and name not in self._frame.columns:
                return _WORDS[name]
            case ast.Name() | ast.Attribute():
                return self._column_of(node)
            case ast.UnaryOp(op=ast.USub(), operand=part):
                return -self._number(part)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return _ARITHMETIC[type(op)](self._number(left), self._number(right))
        raise self._error(f"{ast.unparse(node)!r} is not allowed in a condition")

    def _number(self, node: ast.expr) -> Any:
        value = self._value(node)
        is_column = isinstance(value, pd.Series)
        if is_column and is_numeric_dtype(value) and not is_bool_dtype(value):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        raise self._error(
            f"{ast.unparse(node)!r} is no number, and only numbers can be computed with"
        )

    def _list(self, node: ast.expr) -> list[Any]:
        if not isinstance(node, ast.List | ast.Tuple | ast.Set):
            raise self._error(f"{ast.unparse(node)!r} is not a list, which `in` needs")
        values = [self._value(each) for each in node.elts]
        if any(isinstance(value, pd.Series) for value in values):
            raise self._error(f"{ast.unparse(node)!r} must hold numbers and quoted text only")
        return values

    def _column_of(self, node: ast.expr) -> "pd.Series[Any]":
        name = self._dotted(node)
        if name not in self._frame.columns:
            raise self._error(
                f"there is no column {name!r}",
                fix=f"put text in quotes, or use one of: {name_known(self._frame.columns)}",
            )
        return self._frame[name]

    def _dotted(self, node: ast.expr) -> str:
        match node:
            case ast.Attribute(value=outer, attr=inner):
                return f"{self._dotted(outer)}.{inner}"
            case ast.Name(id=name):
                for i, quoted in enumerate(self._in_backticks):
                    name = quoted if name == f"__column_{i}__" else name
                return name
        raise self._error(f"{ast.unparse(node)!r} is not a column")

    def _error(self, what: str, *, fix: str = "") -> ConfigError:
        example = "write it like model.hidden_units > 32 and status == 'completed'"
        return ConfigError(what, where="--where", fix=fix or example)


def _filled(truth: "pd.Series[Any]", *, missing: bool) -> "pd.Series[bool]":
    return truth.fillna(missing).astype(bool)
