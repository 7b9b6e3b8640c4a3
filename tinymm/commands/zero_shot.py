"""`python -m tinymm zero-shot IMAGE ... --labels A B ... --model FOLDER`: which of these words fits a picture."""

from __future__ import annotations

import argparse
import pathlib

from ..backend.files import write_json
from .terminal import output_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="picture files")
    parser.add_argument("--labels", nargs="+", default=[], metavar="LABEL", help="the classes, two or more")
    parser.add_argument("--labels-file", metavar="FILE", help="more classes, one a line")
    parser.add_argument("--model", required=True, metavar="FOLDER", help="a folder in Hugging Face's layout (config.json, "
                        "model.safetensors, vocab.json, merges.txt), or one with OpenAI's weights in a file .safetensors and the "
                        "vocabulary's beside it (bpe_simple_vocab_16e6.txt.gz, or vocab.json and merges.txt); of several such "
                        "files, the path of one")
    parser.add_argument("--template", action="append", metavar="TEXT", help="a prompt with {} for the class; may be repeated "
                        "(default: 'a photo of a {}.')")
    parser.add_argument("--ensemble", action="store_true", help="average over several prompts of our own")
    parser.add_argument("--top", type=int, default=5, metavar="K", help="how many classes to print (default 5)")
    parser.add_argument("--json", type=output_file, metavar="FILE", help="write all probabilities there, too")


def run(args: argparse.Namespace) -> int:
    import numpy as np

    from ..autograd import Tensor
    from ..data.readers.clip_pictures import read_clip_picture
    from ..models.clip import CLIP
    from ..models.clip.zero_shot import ENSEMBLE, PROMPT, zero_shot, zero_shot_weights
    from ..text import CLIPTokenizer

    if args.top < 1:
        raise ValueError(f"--top {args.top} must be at least 1")
    if args.ensemble and args.template:
        raise ValueError("--ensemble brings its own prompts; leave it out to use --template")
    labels = list(args.labels)
    if args.labels_file:
        labels += [line.strip() for line in _lines(args.labels_file) if line.strip()]
    if not all(label.strip() for label in labels):
        raise ValueError("a label of --labels is blank; give a word")
    if len(labels) < 2:
        raise ValueError(f"there must be at least two labels to choose from, and there are {len(labels)}; give --labels A B ...")
    folder = pathlib.Path(args.model)
    try:
        model = CLIP.from_pretrained(_weights(args.model))
        tokenizer = CLIPTokenizer.from_pretrained(folder if folder.is_dir() else folder.parent, model.context_length)
    except RecursionError:   # of the JSON reader
        raise ValueError(f"a JSON file of {args.model} has brackets within brackets without end; get it again") from None
    for name, parameter in model.named_parameters():
        floats = parameter.dtype.kind == "f"
        if not floats or not np.isfinite(parameter.detach().numpy()).all():
            raise ValueError(f"{name} in {args.model} holds {'NaN or infinity' if floats else parameter.dtype}, not weights; get "
                             "the file again")
    if tokenizer.vocab_size > model.vocab_size:
        raise ValueError(f"the vocabulary in {args.model} has {tokenizer.vocab_size} tokens, the model {model.vocab_size}; they "
                         "are not of one model")
    model.eos_token_id = tokenizer.end   # whether or not it is the largest id
    weights = zero_shot_weights(model, tokenizer, labels, ENSEMBLE if args.ensemble else args.template or (PROMPT,))
    found = {}
    try:
        for path in args.images:   # one at a time: a thousand pictures need no more memory than one
            picture = Tensor(read_clip_picture(path, model.visual.input_resolution)[None])
            found[path] = zero_shot(model, picture, weights).softmax(-1).numpy()[0]
            print(f"{path}:")
            for i in found[path].argsort()[::-1][:args.top]:
                print(f"  {found[path][i]:7.4f}  {labels[i]}", flush=True)
    finally:
        if args.json and found:   # those before a picture that cannot be read, too
            write_json(args.json, {path: dict(zip(labels, map(float, p))) for path, p in found.items()})
    return 0


def _lines(path: str) -> list[str]:
    try:
        return pathlib.Path(path).read_text(encoding="utf-8-sig").splitlines()   # some editors put a mark of UTF-8 first
    except UnicodeDecodeError as error:
        raise ValueError(f"--labels-file {path} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None


def _weights(path: str) -> pathlib.Path:
    """The only file of weights of a folder without ``model.safetensors``; else the path itself."""
    folder = pathlib.Path(path)
    files = sorted(folder.glob("*.safetensors"))
    return files[0] if len(files) == 1 else folder
