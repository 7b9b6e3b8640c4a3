"""Which submissions a folder holds, and what is in them: read before anything is executed.

An entry of the folder is a student: a .py or .ipynb file (named after its owner; two of one name are one student's), or a folder
with such files. nbgrader's ``submitted/NAME/NN/file.ipynb`` is one of these. Links are not followed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import re
import stat

from ..execute import read
from ..exercise import Exercise

SUFFIXES = (".py", ".ipynb")
SKIPPED = {"__pycache__", "__MACOSX", "node_modules"}
BESIDE = 2 ** 20         # bytes of a module beside the file that is taken along
FILES = 200              # files of one student that are looked at


@dataclasses.dataclass
class Handed:
    """What one student handed in.

    Attributes:
        student: the name.
        path: of the file that is graded, from the folder; "" where there is none.
        data: its bytes.
        beside: name -> bytes of the modules beside it.
        problem: why there is nothing to grade; "" where there is.
        notes: what else is to be told.
    """

    student: str
    path: str = ""
    data: bytes = b""
    beside: dict[str, bytes] = dataclasses.field(default_factory=dict)
    problem: str = ""
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def digest(self) -> str:
        """What tells whether it has changed."""
        parts = [self.path.encode(errors="surrogateescape"), self.data, self.problem.encode(errors="surrogateescape")]
        for name, data in sorted(self.beside.items()):
            parts += [name.encode(errors="surrogateescape"), data]
        return hashlib.sha256(b"".join(b"%d " % len(part) + part for part in parts)).hexdigest()


def collect(folder, exercise: Exercise) -> tuple[list[Handed], list[str]]:
    """The submissions in a folder, by name, and the entries that are none.

    Raises:
        OSError: it is no folder, or cannot be read.
        ValueError: there is no submission in it.
    """
    root = pathlib.Path(folder)
    try:
        if not os.fspath(folder) or not root.is_dir():
            raise NotADirectoryError(f"grade: {str(folder)!r} is not a folder; give the one that holds a file or a folder "
                                     "for each student")
        entries = visible(root)
        if [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)] == ["submitted"]:
            root = root / "submitted"
            entries = visible(root)
    except ValueError as error:   # a zero byte
        raise OSError(f"grade: {str(folder)!r} is no name of a folder: {error}") from None
    students: dict[str, list[pathlib.Path]] = {}
    links, others = {}, []
    for entry in entries:
        path, is_file = pathlib.Path(entry.path), entry.name.lower().endswith(SUFFIXES)
        name = path.stem if is_file and not entry.is_dir(follow_symlinks=False) else entry.name
        if entry.is_symlink():
            links[name] = f"{entry.name} is a link, which is not followed"
        elif entry.is_dir(follow_symlinks=False):
            students.setdefault(name, []).extend(files_of(path, exercise))
        elif is_file:
            students.setdefault(name, []).append(path)
        else:
            others.append(entry.name)
    found = [one(name, paths, root, exercise) for name, paths in students.items()]
    found += [Handed(name, problem=problem) for name, problem in links.items() if name not in students]
    if not found:
        raise ValueError(f"grade: there is no submission in {str(folder)!r}: no .py or .ipynb file, and no folder of a student")
    return sorted(found, key=lambda handed: (handed.student.casefold(), handed.student)), others


def visible(folder: pathlib.Path) -> list[os.DirEntry]:
    """The entries of a folder that are not hidden, by name."""
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".") and entry.name not in SKIPPED),
                      key=lambda entry: entry.name)


def files_of(folder: pathlib.Path, exercise: Exercise) -> list[pathlib.Path]:
    """The .py and .ipynb files in a student's folder; those of nbgrader's folder of the exercise where there is one."""
    try:
        entries = visible(folder)
    except OSError:
        return []
    folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    of_number = [entry for entry in folders if re.fullmatch(rf"\D*0*{exercise.number}(\D.*)?", entry.name)]
    if of_number:
        return files_of(pathlib.Path(of_number[0].path), exercise)
    here = [pathlib.Path(entry.path) for entry in entries if entry.name.lower().endswith(SUFFIXES)
            and not entry.is_dir(follow_symlinks=False)]
    if not here and len(folders) == 1:   # a folder in the folder, as an archive often has it
        return files_of(pathlib.Path(folders[0].path), exercise)
    return here[:FILES]


def one(name: str, paths: list[pathlib.Path], root: pathlib.Path, exercise: Exercise) -> Handed:
    """What a student handed in, read."""
    handed = Handed(name)
    contents: dict[pathlib.Path, bytes] = {}
    for path in paths:
        if path.is_symlink():
            handed.notes.append(f"{path.name} is a link, which is not followed")
            continue
        try:
            contents[path] = read(path).data
        except OSError as error:
            handed.notes.append(str(error).removeprefix("check: "))
    if not contents:
        handed.problem = handed.notes.pop() if handed.notes else "there is no .py or .ipynb file"
        return handed
    functions = [function for task in exercise.tasks for function in task.functions]

    def rank(path: pathlib.Path) -> tuple:
        defined = sum(re.search(rb"\bdef\s+%s\b" % function.encode(), contents[path]) is not None for function in functions)
        return defined, modified(path), path.name
    ranked = sorted(contents, key=rank, reverse=True)
    chosen = ranked[0]
    handed.path, handed.data = os.path.relpath(chosen, root), contents[chosen]
    rivals = [path.name for path in ranked[1:] if rank(path)[0] and rank(path)[0] == rank(chosen)[0]]
    if rivals:
        handed.notes.append(f"several files hold these functions; graded is the newest, {chosen.name} (not {', '.join(rivals)})")
    if chosen.parent != root:
        handed.beside = {path.name: data for path, data in contents.items() if path != chosen and path.suffix == ".py"
                         and path.parent == chosen.parent and len(data) <= BESIDE}
    return handed


def modified(path: pathlib.Path) -> float:
    """When a file was written last."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def unlike(handed: list[Handed], folder) -> list[str]:
    """The files that are no longer what was read: a submission wrote to them, or somebody did."""
    root = pathlib.Path(folder)
    found = []
    for one_of in handed:
        for base in (root, root / "submitted"):
            path = base / one_of.path
            if one_of.path and (base == root or not (root / one_of.path).exists()):
                try:
                    same = stat.S_ISREG(path.lstat().st_mode) and path.read_bytes() == one_of.data
                except OSError:
                    same = base == root and (root / "submitted" / one_of.path).exists()
                found += [] if same else [one_of.path]
                break
    return found
