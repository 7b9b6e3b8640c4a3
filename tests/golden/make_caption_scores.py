"""Write caption_scores.json: what the COCO caption evaluation gives for captions of every awkward kind.

    python -m tests.golden.make_caption_scores

The package pycocoevalcap computes BLEU, ROUGE-L and CIDEr-D. Of CIDEr it has only that D variant; the plain one is the same
scorer without the minimum and the exponential, which is how the authors' own two scorers differ. The default test run
compares with this file, so that it needs neither package nor Java.
"""

import inspect
import json
import pathlib
import random

import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider import cider_scorer
from pycocoevalcap.rouge.rouge import Rouge

WORDS = "a the dog cat red blue on in of with runs sits big small man".split()
LECTURE = (["a red square above a blue circle", "a green triangle above a red circle circle circle", "blue"],
           [["a red square above a blue circle", "there is a red square over a blue circle"],
            ["a green triangle left of a red circle", "the green triangle is left of the red circle"],
            ["two blue squares", "a pair of blue squares"]])


def plain_cider_scorer():
    """pycocoevalcap's scorer turned from CIDEr-D into CIDEr."""
    source = inspect.getsource(cider_scorer)
    for old, new in (("min(vec_hyp[n][ngram], vec_ref[n][ngram]) * vec_ref", "vec_hyp[n][ngram] * vec_ref"),
                     ("val[n] *= np.e**(-(delta**2)/(2*self.sigma**2))", "pass")):
        assert source.count(old) == 1, f"pycocoevalcap changed: {old}"
        source = source.replace(old, new)
    module: dict = {}
    exec(source, module)
    return module["CiderScorer"]


def coco_scores(candidates: list[str], references: list[list[str]]) -> dict:
    """The evaluation's numbers for captions as strings with spaces between tokens."""
    of_images = {i: list(sentences) for i, sentences in enumerate(references)}
    results = {i: [sentence] for i, sentence in enumerate(candidates)}
    corpus, sentences = Bleu(4).compute_score(of_images, results, verbose=0)
    rouge, rouges = Rouge().compute_score(of_images, results)
    scores = {"bleu": {"corpus": list(corpus), "sentences": np.array(sentences).T.tolist()},
              "rouge_l": {"mean": float(rouge), "per_image": rouges.tolist()}}
    for name, scorer in ("cider", plain_cider_scorer()()), ("cider_d", cider_scorer.CiderScorer()):
        for i in of_images:
            scorer += (results[i][0], of_images[i])
        mean, per_image = scorer.compute_score()
        scores[name] = {"mean": float(mean), "per_image": per_image.tolist()}
    return scores


def random_captions(seed: int, images: int, shortest: int = 0) -> tuple[list[str], list[list[str]]]:
    """Captions of 0 to 12 words; some candidates are references, some references are there twice."""
    r = random.Random(seed)

    def caption() -> str:
        return " ".join(r.choices(WORDS, k=r.randint(shortest, 12)))

    references = [[caption() for _ in range(r.randint(1, 5))] for _ in range(images)]
    for of_image in references:
        if r.random() < 0.3:
            of_image.append(of_image[0])
    return [r.choice(of_image) if r.random() < 0.3 else caption() for of_image in references], references


def cases() -> dict:
    found = {"lecture 6": LECTURE, "one image": random_captions(1, 1, 4), "ten images": random_captions(2, 10),
             "long": random_captions(3, 6, 8)}
    candidates, references = random_captions(4, 4, 3)
    found["empty candidates"] = (["", *candidates[1:3], ""], references)
    found["empty references"] = (["", "a dog", "", "the cat"], [[""], ["", "a dog runs"], ["a cat"], [""]])
    found["repeated words"] = (["the the the the the", "dog dog dog"], [["the cat", "the the"], ["a dog runs"]])
    return found


if __name__ == "__main__":
    table = {name: {"candidates": candidates, "references": references, "scores": coco_scores(candidates, references)}
             for name, (candidates, references) in cases().items()}
    path = pathlib.Path(__file__).with_name("caption_scores.json")
    path.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in table.items()) + "\n}\n")
    print(f"{len(table)} cases, {path.stat().st_size / 1024:.0f} KiB")
