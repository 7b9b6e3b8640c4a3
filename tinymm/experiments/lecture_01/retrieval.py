"""The retrieval study: pictures for captions and captions for pictures, by how likely LRCN-2f finds one given the other.

    score(i, c) = log p(c|i) - log (1/|I|) sum over i' of p(c|i')

I are the test pictures, i among them; the end of the sentence is not scored, as in the authors' code. In 2f the first LSTM
does not see the picture and runs once a caption for all pictures, which is what makes the table affordable. The rivals learn
from the same pairs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator

from ...backend.random import manual_seed
from ...data.worlds.described_scenes import distinct_scenes
from ...metrics import bleu
from ...models.lrcn import normalised_scores
from ...train import Trainer
from ..captioning.captioner import Captioner
from ..claims import Claim
from .rival import RetrievalData, Rival
from .rivals import RIVALS
from .scenes import SceneStudy, Seen
from .scoring import log_likelihoods, owners, tables
from .study import At

AHEAD = "LRCN-2f"
RAW, RAW_END, END = "LRCN-2f raw", "LRCN-2f raw, end scored", "LRCN-2f, end scored"   # reported beside


@dataclasses.dataclass
class Trained:
    """What the trainings yield.

    Attributes:
        seen: the encoder and its features.
        captioner: LRCN-2f.
        rivals: row -> the trained rival.
    """

    seen: Seen
    captioner: Captioner
    rivals: dict[str, Rival]


class Retrieval(SceneStudy):
    """The table of both directions. All test pictures show different things, so that a full caption tells them apart."""

    def held_out(self, part: str, count: int) -> list:
        return distinct_scenes(part, count, self.seed)

    def rivals(self) -> dict[str, type[Rival]]:
        """Row -> the rival."""
        return RIVALS

    def stages(self, at: At) -> Generator[Trainer, None, Trained]:
        seen = yield from self.see(at)
        captioner, trainer = self.lrcn(seen.phi("train"), "2f", **at("lrcn_2f"))
        yield trainer
        data = RetrievalData(self.parts, self.vocabulary, seen, self.rounds, self.seed, self.device, self.config)
        found = {}
        for row, rival in self.rivals().items():
            manual_seed(self.seed)                                         # the same weights and order, whoever came before
            found[row] = rival(data)
            yield found[row].stage(**at(row))
        return Trained(seen, captioner, found)

    def evaluate(self, trained: Trained) -> dict:
        test, phi = self.parts["test"], trained.seen.phi("test")
        captions, own = list(test.tokens()), owners(test)
        raw, with_end = log_likelihoods(trained.captioner, self.vocabulary, phi, captions)
        self.scores = {**{row: rival.scores() for row, rival in trained.rivals.items()}, AHEAD: normalised_scores(raw), RAW: raw,
                       RAW_END: with_end, END: normalised_scores(with_end)}
        said = {row: words for row, rival in trained.rivals.items() if (words := rival.sentences()) is not None}
        said[AHEAD] = self.say(trained.captioner, phi)
        return {"retrieval": tables(self.scores, own), "pictures": len(test), "captions": len(captions),
                "bleu": {row: [100 * share for share in bleu(words, test.captions).corpus] for row, words in said.items()},
                "encoder accuracy": trained.seen.accuracy, "vocabulary": len(self.vocabulary)}

    @staticmethod
    def claims(metrics: dict) -> list[Claim]:
        rows = metrics["retrieval"]["image to caption"]
        return [Claim("the normalised score finds captions for images more often than the raw one, with the sentence's end "
                      "scored or not (gain in R@1 over the better)",
                      rows[AHEAD]["R@1"] - max(rows[RAW]["R@1"], rows[RAW_END]["R@1"]), ">=", 0.10)]

    def figures(self, trained: Trained, metrics: dict) -> dict:
        from . import retrieval_figures

        return retrieval_figures.all_figures(self.parts["test"], self.scores, owners(self.parts["test"]), metrics,
                                             (RAW, RAW_END, END))
