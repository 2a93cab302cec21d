"""The ways in which a module is broken: those of cosmic-ray, and one of our own."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import parso.python.tree
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator

#: Of each operator what is next to it, and what is its opposite: what tells those apart notices
#: the others too. `|` stands in types alone.
_OPERATORS = (
    *"NumberReplacer AddNot ReplaceOrWithAnd ReplaceAndWithOr ReplaceTrueWithFalse".split(),
    *"ReplaceFalseWithTrue ReplaceBreakWithContinue ReplaceContinueWithBreak".split(),
    *"ExceptionReplacer RemoveDecorator ZeroIterationForLoop".split(),
    *(f"ReplaceUnaryOperator_{name}" for name in ("Delete_Not", "Delete_USub")),
    *(f"ReplaceBinaryOperator_{name}" for name in "Add_Sub Sub_Add Mul_Div Div_Mul".split()),
    *(f"ReplaceBinaryOperator_{name}" for name in "FloorDiv_Mul Mod_Mul Pow_Mul".split()),
    *(f"ReplaceComparisonOperator_{name}" for name in "Eq_NotEq NotEq_Eq Is_IsNot".split()),
    *(f"ReplaceComparisonOperator_{name}" for name in "IsNot_Is Lt_LtE Lt_GtE LtE_Lt".split()),
    *(f"ReplaceComparisonOperator_{name}" for name in "LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt".split()),
)
_RULES = {'"min"': '"max"', '"max"': '"min"', '"fill"': '"keep"'}


class ReplaceRule(Operator):  # type: ignore[misc] # it has no types
    """Completes a column by another rule."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        """Yield where a rule is named."""
        if isinstance(node, parso.python.tree.String) and node.value in _RULES:
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Return another rule."""
        del index
        return parso.python.tree.String(_RULES[node.value], node.start_pos, node.prefix)

    @classmethod
    def examples(cls) -> tuple[()]:
        """Return none."""
        return ()


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one thing changed."""

    module: str
    line: int
    #: What stood there, and what stands there now.
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}\n    - {self.before}\n    + {self.after}"


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Yield every way in which a module is broken, and still compiles to something else."""
    same = ast.dump(ast.parse(source))
    operators = [get_operator(f"core/{name}")() for name in _OPERATORS]
    for operator in (*operators, ReplaceRule()):
        for occurrence in count():
            mutated = mutate_code(source, operator, occurrence)
            if mutated is None:
                break
            try:
                if ast.dump(ast.parse(mutated)) == same:
                    continue
            except SyntaxError:
                continue
            mutant = _mutant(module, source, mutated)
            if not _is_a_matter_of_form(mutant):
                yield mutant


def _is_a_matter_of_form(mutant: Mutant) -> bool:
    """Tell what behaves as before: a class's options, and parameters that may be given by place.

    The options (frozen, gc) are about mistakes and memory; types are held to by other checks.
    """
    by_place = mutant.before.replace("*, ", "/, ", 1) == mutant.after
    return mutant.before.startswith("class ") or by_place


def _mutant(module: str, source: str, mutated: str) -> Mutant:
    old, new = source.splitlines(), mutated.splitlines()
    for tag, i, end, j, new_end in difflib.SequenceMatcher(None, old, new, False).get_opcodes():
        if tag != "equal":
            before, after = (" ".join(lines).strip() for lines in (old[i:end], new[j:new_end]))
            return Mutant(module, i + 1, before, after, mutated)
    raise ValueError("the same lines")
