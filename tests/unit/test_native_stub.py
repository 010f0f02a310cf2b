"""The typed stub of the compiled engine tells the truth: same names and parameters, in both directions."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from trunkline._native import _engine

STUB = ast.parse((Path(_engine.__file__).parent / "_engine.pyi").read_text())
CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}


def parameters(function: ast.FunctionDef) -> list[tuple[str, str]]:
    """Names and kinds of a stub function's parameters, without the instance or class."""
    arguments = function.args
    positional = [(argument.arg, "POSITIONAL_OR_KEYWORD") for argument in arguments.args[1:]]
    return positional + [(argument.arg, "KEYWORD_ONLY") for argument in arguments.kwonlyargs]


def compiled_parameters(callable_: object) -> list[tuple[str, str]]:
    """Names and kinds of a compiled callable's parameters, without the instance."""
    assert callable(callable_)
    signature = inspect.signature(callable_)
    listed = [(name, parameter.kind.name) for name, parameter in signature.parameters.items()]
    return [parameter for parameter in listed if parameter[0] != "self"]


def public(thing: object) -> set[str]:
    """Public names that a module or class defines itself."""
    return {name for name in vars(thing) if not name.startswith("_")}


def is_property(function: ast.FunctionDef) -> bool:
    """Whether a stub function is an attribute."""
    return any(isinstance(mark, ast.Name) and mark.id == "property" for mark in function.decorator_list)


def test_module_and_stub_have_the_same_classes() -> None:
    assert public(_engine) == set(CLASSES)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_class_and_stub_have_the_same_members(name: str) -> None:
    functions = {node.name for node in CLASSES[name].body if isinstance(node, ast.FunctionDef)}
    assert public(getattr(_engine, name)) == {each for each in functions if not each.startswith("_")}


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_methods_and_stub_have_the_same_parameters(name: str) -> None:
    compiled = getattr(_engine, name)
    for function in CLASSES[name].body:
        if not isinstance(function, ast.FunctionDef):
            continue
        if function.name == "__new__":
            assert compiled_parameters(compiled) == parameters(function)
        elif is_property(function):
            assert inspect.isgetsetdescriptor(getattr(compiled, function.name))
        else:
            assert compiled_parameters(getattr(compiled, function.name)) == parameters(function), (
                function.name
            )
