"""Floor 4: how good an output is. Captions: BLEU, ROUGE-L, CIDEr and CIDEr-D, the numbers of the COCO evaluation; perplexity."""

from .bleu import BleuScore, bleu
from .captions import caption_scores, leave_one_out
from .cider import DocumentFrequency, cider, cider_d
from .ngrams import Score, ngrams
from .perplexity import perplexity, perplexity_of_corpus
from .rouge import rouge_l

__all__ = ["BleuScore", "bleu", "caption_scores", "leave_one_out", "DocumentFrequency", "cider", "cider_d", "Score", "ngrams",
           "perplexity", "perplexity_of_corpus", "rouge_l"]
