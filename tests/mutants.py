"""Mutants of the ledger: one change each, and whether the ledger's tests notice it.

Conditions are negated, comparisons and connectives swapped, calls whose result nobody uses left
out, numbers moved by one. Each mutant is run in a process forked off here, in which one module of
``kif.ledger`` is the changed one. What survives is printed; docs/design.md says why it may.
"""

from __future__ import annotations

import ast
import copy
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

# What the tests import is imported once, here; each mutant's process is a copy of this one.
import alembic.command
import cryptography.x509
import hypothesis
import pytest
import sqlalchemy.orm

LOADED = (alembic.command, cryptography.x509, hypothesis, sqlalchemy.orm)
LEDGER = Path(__file__).parents[1] / "kif" / "ledger"
MODULES = (
    "state", "batch", "genesis", "people", "keys", "issuers", "batches", "jobs", "chips", "journal",
    "tail", "verify", "snapshot", "binding", "event", "form", "approval", "merkle", "note",
)  # fmt: skip
TESTS = ("tests/ledger/test_state.py", "tests/ledger")
SECONDS = 120

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


@dataclass(frozen=True)
class Mutant:
    """A changed module."""

    module: str
    line: int
    what: str
    source: str


def mutants(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module of the ledger."""
    tree = ast.parse((LEDGER / f"{module}.py").read_text())
    for place, node in enumerate(ast.walk(tree)):
        for variant in range(_variants(node)):
            changed = copy.deepcopy(tree)
            target = next(each for n, each in enumerate(ast.walk(changed)) if n == place)
            what = _change(target, variant)
            if what:
                source = ast.unparse(ast.fix_missing_locations(changed))
                yield Mutant(module, getattr(node, "lineno", 0), what, source)


def _variants(node: ast.AST) -> int:
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        return 1
    if isinstance(node, ast.Compare):
        return len(node.ops)
    if isinstance(node, ast.BoolOp):
        return 1
    if isinstance(node, ast.Constant):
        return int(type(node.value) is int)
    return int(isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))


def _change(node: ast.AST, variant: int) -> str:
    """Change a node in place; say how."""
    match node:
        case ast.If() | ast.IfExp() | ast.While():
            node.test = ast.UnaryOp(ast.Not(), node.test)
            return "a condition negated"
        case ast.Compare():
            old = node.ops[variant]
            node.ops[variant] = _COMPARISONS[type(old)]()
            return f"{type(old).__name__} is {type(node.ops[variant]).__name__}"
        case ast.BoolOp():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            return f"the connective is {type(node.op).__name__}"
        case ast.Constant(value=int(value)):
            node.value = value + 1
            return f"{value} is {value + 1}"
        case ast.Expr(value=ast.Call(func=func)):
            node.value = ast.Constant(None)
            return f"{ast.unparse(func)} is not called"
    return ""


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the changed module in the place of the real one."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, name: str, path: object, target: object = None) -> object:  # type: ignore[override]
        if name != f"kif.ledger.{self.mutant.module}":
            return None
        return importlib.util.spec_from_loader(name, self)

    def exec_module(self, module: ModuleType) -> None:
        code = compile(self.mutant.source, str(LEDGER / f"{self.mutant.module}.py"), "exec")
        exec(code, module.__dict__)  # noqa: S102


def survives(mutant: Mutant) -> bool:
    """Return whether the tests pass with a mutant in the place of its module."""
    return all(_passes(mutant, tests) for tests in TESTS)


def _passes(mutant: Mutant, tests: str) -> bool:
    child = os.fork()
    if child == 0:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        sys.meta_path.insert(0, _Changed(mutant))  # type: ignore[arg-type]
        options = ["-x", "-q", "-o", "addopts=--strict-markers", "-p", "no:cacheprovider"]
        os._exit(int(pytest.main([*options, tests]) != 0))
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def main(modules: list[str]) -> None:
    """Try every mutant of the modules, two at a time, and print those that survive."""
    for module in modules:
        if not survives(Mutant(module, 0, "", (LEDGER / f"{module}.py").read_text())):
            sys.exit(
                f"kif/ledger/{module}.py fails its tests as it is; mutants would prove nothing"
            )
    made = [mutant for module in modules for mutant in mutants(module)]
    alive = 0
    with ThreadPoolExecutor(2) as pool:
        for each, lives in zip(made, pool.map(survives, made), strict=True):
            if lives:
                alive += 1
                print(f"kif/ledger/{each.module}.py:{each.line}: {each.what}", flush=True)
    print(f"{len(made)} mutants, {alive} survive")


if __name__ == "__main__":
    main(sys.argv[1:] or list(MODULES))
