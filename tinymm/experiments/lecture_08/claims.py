"""What the slides of CLIP say, as statements that lecture 8's measurements can refute."""

from __future__ import annotations

from ...data.worlds.web_pictures import CLASSES
from ..claims import Claim


def gain(better: float, worse: float) -> float:
    """The difference of two accuracies; means that are equal but for rounding have none."""
    return round(better - worse, 9) + 0.0   # and no -0


def mean(found: dict[str, float]) -> float:
    """Of the accuracies on the three datasets."""
    return sum(found[name] for name in CLASSES) / len(CLASSES)


def claims_of(variant: str, metrics: dict) -> list[Claim]:
    """The claims of one variant; of photographs, which may be few, only what holds of any training."""
    loss = metrics["loss"]
    claims = [
        Claim("the first loss is within 0.3 of that of unrelated pictures and texts, ln n + s^2 / 2",
              abs(loss["first"] - loss["expected first"]), "<", 0.3),
        Claim("1 / temperature is never above 100", metrics["1 / temperature"]["largest"], "<=", 100 + 1e-4)]   # a rounding
    if "retrieval" in metrics:
        return claims
    best = metrics["zero-shot"]["ensemble"]
    if variant == "shuffled":
        return [*claims, Claim("with the texts of other pictures it learns nothing: sprites of seen pairs, 36 classes",
                               best["seen pairs"], "<=", 0.15)]
    one, probe, attack = metrics["zero-shot"]["one prompt"], metrics["linear probe"]["accuracy"], metrics["attack"]
    claims += [
        Claim("zero-shot, sprites of pairs it has seen, among 36 classes", best["seen pairs"], ">=", 0.75),
        Claim("zero-shot, sprites of pairs it has never seen, among 36 classes", best["unseen pairs"], ">=", 0.2),
        Claim("OCR, zero-shot: handwritten digits are read right more often than wrong, 10 classes", best["digits"], ">", 0.5),
        Claim(f"OCR, zero-shot: words on signs are read right more often than wrong, {metrics['reading']['words']} words",
              metrics["reading"]["accuracy"], ">", 0.5),
        Claim("actions, zero-shot, are told right more often than wrong, 6 classes", best["actions"], ">", 0.5),
        Claim("an ensemble of prompts is no worse than one prompt (gain, mean of the datasets)",
              gain(mean(best), mean(one)), ">=", 0),
        Claim("one prompt is no worse than the name alone (gain, mean of the datasets)",
              gain(mean(one), mean(metrics["zero-shot"]["name alone"])), ">=", 0),
        Claim("a linear probe on I_f is no worse than zero-shot (least gain of the datasets)",
              min(gain(probe[name], best[name]) for name in CLASSES), ">=", 0),
        Claim("a wrong word in the picture misleads it: accuracy lost against a blank label",
              gain(attack["blank label"]["accuracy"], attack["wrong word"]["accuracy"]), ">", 0),
        Claim("and the answer is what is written more often than with a blank label (gain)",
              gain(attack["wrong word"]["answered with the wrong word"], attack["blank label"]["answered with the wrong word"]),
              ">", 0)]
    if "visual n-grams" in metrics:
        ngrams = metrics["visual n-grams"]
        claims += [
            Claim("CLIP is better than Visual N-Grams on pairs that neither has seen (gain)",
                  gain(best["unseen pairs"], ngrams["unseen pairs"]), ">", 0),
            Claim("and on each of the three datasets, as in the slide's table (least gain)",
                  min(gain(best[name], ngrams[name]) for name in CLASSES), ">", 0)]
    return claims


def comparisons(metrics: dict[str, dict]) -> list[Claim]:
    """The claims about several variants, those that have been run."""
    found = []
    best = {variant: of["zero-shot"]["ensemble"] for variant, of in metrics.items()}
    if {"resnet", "shuffled"} <= set(metrics):
        found += [
            Claim("with shuffled texts, sprites of seen pairs are near chance, 1 / 36", best["shuffled"]["seen pairs"], "<=", 0.15),
            Claim("what it knows it has from the texts (least gain of the datasets over shuffled ones)",
                  min(gain(best["resnet"][name], best["shuffled"][name]) for name in CLASSES), ">", 0)]
    for other, what in (("vit", "a Vision Transformer"), ("cbow", "a bag of words")):
        if {"resnet", other} <= set(metrics):
            found.append(Claim(f"{what} does as well, within 0.1 (loss of accuracy, mean of the datasets)",
                               gain(mean(best["resnet"]), mean(best[other])), "<=", 0.1))
    return found
