"""CLIP's published vocabulary files: OpenAI's list of merges, Hugging Face's pair of files, and Hugging Face's one file.

All three hold the same: merges in order, and (written out or by convention) an id for each token. A damaged file is refused
with its name, the line, and what should be there.
"""

from __future__ import annotations

import gzip
import json
import os
import pathlib
import zlib

from ..backend.files import replacing
from .bpe import BYTE_OF_SYMBOL, BYTE_TOKENS, END_OF_WORD, BytePairEncoding, unknown_in_merges

START, END = "<|startoftext|>", "<|endoftext|>"
OPENAI_FILE = "bpe_simple_vocab_16e6.txt.gz"
OPENAI_MERGES = 48_894   # of the 262,144 in the file, so that there are 49,408 tokens with 512 bytes and two special ones
_READER = "CLIPTokenizer.from_pretrained"


def read_clip_files(path: str | os.PathLike) -> BytePairEncoding:
    """The vocabulary in a folder, or in one file.

    Args:
        path: a folder with ``vocab.json`` and ``merges.txt``, or ``tokenizer.json``, or ``bpe_simple_vocab_16e6.txt.gz``,
            looked for in this order; or the path of a file of the last two kinds.

    Raises:
        FileNotFoundError: none of them is there.
        ValueError: a damaged file.
    """
    path = pathlib.Path(path)
    if path.is_file():
        return _read_tokenizer_json(path) if path.suffix == ".json" else _read_openai(path)
    if not path.exists():
        raise FileNotFoundError(f"{_READER}: there is no folder or file {path}")
    pair = path / "vocab.json", path / "merges.txt"
    if all(file.is_file() for file in pair):
        return _read_pair(*pair)
    for name, read in ("tokenizer.json", _read_tokenizer_json), (OPENAI_FILE, _read_openai):
        if (path / name).is_file():
            return read(path / name)
    lacking = [file.name for file in pair if not file.is_file()]
    raise FileNotFoundError(f"{_READER}: {path} needs vocab.json and merges.txt, or tokenizer.json, or {OPENAI_FILE}"
                            + (f"; only {lacking[0]} is missing of the first two" if len(lacking) == 1 else ""))


def write_clip_files(bpe: BytePairEncoding, folder: str | os.PathLike):
    """``vocab.json`` and ``merges.txt`` as Hugging Face's tokenizers read them."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "vocab.json") as file:
        file.write_text(json.dumps(bpe.ids, ensure_ascii=False), encoding="utf-8")
    with replacing(folder / "merges.txt") as file:
        lines = ["#version: 0.2", *(f"{left} {right}" for left, right in bpe.merges)]
        file.write_bytes("".join(line + "\n" for line in lines).encode())


def _read_openai(path: pathlib.Path) -> BytePairEncoding:
    """A heading, then one merge a line; the tokens are by convention bytes, merges, start, end."""
    lines = _text(path, compressed=path.suffix == ".gz").split("\n")
    if len(lines) <= OPENAI_MERGES:
        raise ValueError(f"{_READER}: {path}: {len(lines)} lines, but CLIP's list has a heading and at least {OPENAI_MERGES} "
                         f"merges; is the file complete?")
    merges = _merges(path, lines[1:OPENAI_MERGES + 1], 2)
    return BytePairEncoding(merges, [*BYTE_TOKENS, *map("".join, merges), START, END])


def _read_pair(vocab: pathlib.Path, merges: pathlib.Path) -> BytePairEncoding:
    ids = _json(vocab)
    tokens = _tokens(vocab, ids)
    lines = _text(merges).rstrip().split("\n")
    first = 1 if lines[0].startswith("#version") else 0
    pairs = _merges(merges, lines[first:] if lines != [""] else [], first + 1)
    if wrong := unknown_in_merges(pairs, ids):
        rank, token = wrong
        raise ValueError(f"{_READER}: {merges}: line {first + 1 + rank}: {' '.join(pairs[rank])!r} needs the token {token!r}, "
                         f"which is not in {vocab.name}; the two files must come from the same model")
    return BytePairEncoding(pairs, tokens)


def _read_tokenizer_json(path: pathlib.Path) -> BytePairEncoding:
    """``{model: {type: BPE, vocab, merges, end_of_word_suffix}, added_tokens}``; merges as "a b" or, lately, as ["a", "b"]."""
    content = _json(path)
    model = content.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict) or not isinstance(model.get("merges"), list):
        raise ValueError(f"{_READER}: {path}: expected an object 'model' with 'vocab' and 'merges'")
    if (suffix := model.get("end_of_word_suffix")) != END_OF_WORD:
        raise ValueError(f"{_READER}: {path}: 'end_of_word_suffix' is {suffix!r}, but CLIP's tokenizer ends words with "
                         f"{END_OF_WORD!r}; this is the tokenizer of another model")
    ids = dict(model["vocab"])
    for added in content.get("added_tokens") or []:
        if not isinstance(added, dict) or not isinstance(added.get("content"), str) or "id" not in added:
            raise ValueError(f"{_READER}: {path}: 'added_tokens' must have a 'content' and an 'id' each, got {added!r}")
        ids[added["content"]] = added["id"]
    tokens = _tokens(path, ids)
    pairs = []
    for rank, merge in enumerate(model["merges"]):
        parts = merge.split() if isinstance(merge, str) else merge
        if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
            raise ValueError(f"{_READER}: {path}: merge {rank} must be two tokens, got {merge!r}")
        pairs.append(tuple(parts))
    if wrong := unknown_in_merges(pairs, ids):
        rank, token = wrong
        raise ValueError(f"{_READER}: {path}: merge {rank} {pairs[rank]} needs the token {token!r}, which is not in 'vocab'")
    return BytePairEncoding(pairs, tokens)


def _merges(path: pathlib.Path, lines: list[str], first: int) -> list[tuple[str, str]]:
    """Lines of two tokens; ``first`` is the number of the first line."""
    pairs = []
    for number, line in enumerate(lines, first):
        parts = line.split()
        if len(parts) != 2:
            raise ValueError(f"{_READER}: {path}: line {number}: expected two tokens with a space between, got {line[:80]!r}")
        pairs.append((parts[0], parts[1]))
    return pairs


def _tokens(path: pathlib.Path, ids: dict) -> list[str]:
    """Tokens by id, where the ids are 0 to V - 1, and all that every text needs is among them."""
    tokens: list[str | None] = [None] * len(ids)
    for token, i in ids.items():
        if isinstance(i, bool) or not isinstance(i, int) or not 0 <= i < len(ids):
            raise ValueError(f"{_READER}: {path}: {token!r} has the id {i!r}; {len(ids)} tokens need the ids 0 to {len(ids) - 1}")
        if tokens[i] is not None:
            raise ValueError(f"{_READER}: {path}: {tokens[i]!r} and {token!r} have the same id {i}")
        if not BYTE_OF_SYMBOL.keys() >= set(token):
            raise ValueError(f"{_READER}: {path}: {token!r} has characters that stand for no byte; this is not CLIP's kind of "
                             f"vocabulary")
        tokens[i] = token
    if lacking := [token for token in (*BYTE_TOKENS, START, END) if token not in ids]:
        raise ValueError(f"{_READER}: {path}: {len(lacking)} of the tokens that CLIP's tokenizer needs are missing: "
                         f"{', '.join(map(repr, lacking[:5]))}{', ...' if len(lacking) > 5 else ''}; expected 512 for single "
                         f"bytes, {START!r} and {END!r}")
    return [token for token in tokens if token is not None]


def _json(path: pathlib.Path) -> dict:
    try:
        content = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{_READER}: {path}: line {error.lineno}, column {error.colno}: {error.msg}; "
                         f"is the file complete?") from None
    if not isinstance(content, dict):
        raise ValueError(f"{_READER}: {path}: expected a JSON object, got a {type(content).__name__}")
    return content


def _text(path: pathlib.Path, compressed: bool = False) -> str:
    content = path.read_bytes()
    if compressed:
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{_READER}: {path}: not a complete gzip file ({error}); it has {len(content)} bytes, "
                             f"get it again") from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{_READER}: {path}: line {content[:error.start].count(10) + 1}: expected UTF-8, "
                         f"got the byte 0x{content[error.start]:02x}") from None
