"""Floor 4: how good an output is. Captions: BLEU, ROUGE-L, CIDEr and CIDEr-D, the numbers of the COCO evaluation; perplexity.
Classes: accuracy, top-k accuracy, confusion. Retrieval: ranks, R@K, the median rank."""

from .bleu import BleuScore, bleu
from .captions import caption_scores, leave_one_out
from .cider import DocumentFrequency, cider, cider_d
from .classification import accuracy, confusion, top_k_accuracy
from .ngrams import Score, ngrams
from .perplexity import perplexity, perplexity_of_corpus
from .retrieval import median_rank, ranks, recall_at_k, retrieval_scores
from .rouge import rouge_l

__all__ = ["BleuScore", "bleu", "caption_scores", "leave_one_out", "DocumentFrequency", "cider", "cider_d", "accuracy", "confusion",
           "top_k_accuracy", "Score", "ngrams", "perplexity", "perplexity_of_corpus", "median_rank", "ranks", "recall_at_k",
           "retrieval_scores", "rouge_l"]
