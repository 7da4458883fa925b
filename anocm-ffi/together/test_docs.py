"""The documentation of the Rust crate is present in every language."""

from __future__ import annotations

import inspect
import re
from typing import Iterator

import anocm
import pytest
from conftest import ROOT

SOURCES = ROOT / "anocm-ffi" / "src"
GENERATED = ROOT / "target" / "bindings" / "generated"
SUFFIXES = (".kt", ".swift", ".py")
#: Hand-written hints, with the comments on fields that the generator omits.
HINTS = ROOT / "anocm-ffi" / "python" / "anocm" / "_native" / "__init__.pyi"


def exported() -> Iterator[str]:
    """The first line of each doc comment on an exported item."""
    for source in sorted(SOURCES.glob("*.rs")):
        code = source.read_text().split("#[cfg(test)]")[0]
        in_enum = is_flat = False
        comment: list[str] = []
        for line in map(str.strip, code.splitlines()):
            if line.startswith("///"):
                comment.append(line.removeprefix("///").strip())
                continue
            if line.startswith("#"):
                is_flat |= "flat_error" in line
                continue
            # Records have public fields, objects none, and a flat error only its message.
            if line.startswith("pub ") or (in_enum and not (is_flat and line[:1].islower())):
                yield from comment[:1]
            comment = []
            if re.match(r"(pub|impl|struct|fn)\b", line):
                in_enum = line.startswith("pub enum")
                is_flat &= in_enum


COMMENTS = list(exported())


def test_the_comments_are_found() -> None:
    assert len(COMMENTS) > 200


@pytest.mark.parametrize(
    ("language", "comment"),
    [("kotlin", r"^ *\* {}$"), ("swift", r"^ *\* {}$"), ("python", r'^ *(""")?{}(""")?$')],
)
def test_all_are_comments_in(language: str, comment: str) -> None:
    [file] = [file for file in (GENERATED / language).rglob("*") if file.suffix in SUFFIXES]
    text = file.read_text() + (HINTS.read_text() if language == "python" else "")
    missing = [
        line for line in COMMENTS if not re.search(comment.format(re.escape(line)), text, re.MULTILINE)
    ]
    assert missing == []


def test_whatever_python_programs_see_says_what_it_is() -> None:
    silent = []
    for name in anocm.__all__:
        thing = getattr(anocm, name)
        parts = [(name, thing)] if inspect.isclass(thing) or inspect.isfunction(thing) else []
        if inspect.isclass(thing) and not thing.__module__.startswith("anocm._native"):
            parts += [
                (f"{name}.{part}", value)
                for part, value in vars(thing).items()
                if not part.startswith("_") and (callable(value) or isinstance(value, property))
            ]
        silent += [name for name, part in parts if not inspect.getdoc(part)]
    assert silent == []


def test_the_hand_written_layers_say_what_they_are() -> None:
    silent = []
    for folder in ("anocm-ffi/kotlin/src/main/kotlin", "anocm-ffi/swift/Sources/Anocm"):
        for path in sorted(file for file in (ROOT / folder).rglob("*") if file.is_file()):
            before = ""
            for number, line in enumerate(map(str.strip, path.read_text().splitlines()), 1):
                if line.startswith("public ") and not before.startswith(("///", "/**", "*/", "@")):
                    silent.append(f"{path.name}:{number}: {line}")
                before = line
    assert silent == []
