"""Floor 5: the models of the course, each lecture's equations as Modules.

A model is imported when it is first asked for: ``tinymm.models.ShowTell`` does not load CLIP.
"""

from typing import TYPE_CHECKING

from ..backend.lazy import lazily

__all__ = ["ActivityLRCN", "AttentiveReader", "BidirectionalEncoder", "CLIP", "CRF",
           "CaptionLRCN", "CharCNNRNN", "ConditioningAugmentation", "ConvEncoder", "ConvSentence",
           "DALLETransformer", "DVAE", "DVAEDecoder", "DVAEEncoder", "DeViSE", "Decoded",
           "DependencyRNN", "DescriptionRNN", "Discriminator", "Draw", "Drawn", "Fragments",
           "FrameEncoder", "FullCRF", "Generator", "Glimpse", "Handwriting", "JointEmbedding",
           "LayerNormRNN", "LinearProbe", "ModifiedResNet", "MovingAverage", "MultimodalRNN",
           "NGramPictures", "Neighbours", "OrderEmbedding", "OutputNormLSTMCell", "PenMixture",
           "PhraseTranslation", "PictureEncoder", "QuickGELU", "Reading", "Recurrent", "ReedGRU",
           "ReedRNN", "ShowAttendTell", "ShowTell", "SkipThoughts", "StackDiscriminator",
           "StageIGenerator", "StageIIGenerator", "StarCRF", "StyleEncoder", "Transformer",
           "Translation", "Trigram", "VideoDescriber", "VideoLRCN", "VisionTransformer",
           "VisualNGrams", "VisualSemanticAlignment", "Written", "attention_entropy",
           "caption_log_prob", "checked_labels", "checked_probabilities", "class_means",
           "class_scores", "classify_images", "classify_texts", "clip_loss", "clip_scores",
           "clip_temperature_", "column_mask", "consistent_phrases", "contrastive_loss",
           "conv_mask", "dalle_loss", "dcgan_weights_", "discriminator_loss",
           "doubly_stochastic_penalty", "filterbank", "fragment_scores", "full_mask",
           "gaussian_kl", "generator_loss", "half_cosine", "hard_objective", "ibm_model_1",
           "interpolated_texts", "joint_embedding_loss", "kl_to_uniform", "label_one_hots",
           "layer_kinds", "logit_laplace_nll", "map_pixels", "normalised_scores",
           "order_violation", "orthogonal_gates_", "path_log_prob", "phrase_table",
           "ranking_loss", "rerank", "row_mask", "sample_images", "skip_thoughts_loss",
           "slot_offsets", "small_embedding", "soft_objective", "style_loss", "unmap_pixels",
           "word_links", "zero_conv_biases_", "zero_one_loss", "zero_shot", "zero_shot_weights"]

if TYPE_CHECKING:
    from .adversarial import discriminator_loss, generator_loss, interpolated_texts
    from .attention_objective import (MovingAverage, attention_entropy, doubly_stochastic_penalty, hard_objective, path_log_prob,
                                      soft_objective)
    from .attentive_reader import AttentiveReader, Reading
    from .caption_likelihood import caption_log_prob
    from .char_cnn_rnn import CharCNNRNN
    from .clip import (CLIP, ModifiedResNet, QuickGELU, Transformer, VisionTransformer, clip_loss, clip_temperature_,
                       contrastive_loss, zero_shot, zero_shot_weights)
    from .conditioning_augmentation import ConditioningAugmentation
    from .conv_encoder import ConvEncoder
    from .conv_sentence import ConvSentence
    from .dalle import (DALLETransformer, DVAE, DVAEDecoder, DVAEEncoder, clip_scores, column_mask, conv_mask,
                        dalle_loss, full_mask, half_cosine, kl_to_uniform, layer_kinds, logit_laplace_nll, map_pixels,
                        rerank, row_mask, sample_images, unmap_pixels)
    from .dependency_rnn import DependencyRNN
    from .description_rnn import DescriptionRNN
    from .devise import DeViSE
    from .draw import Draw, Drawn, Glimpse, OutputNormLSTMCell, filterbank, gaussian_kl
    from .frame_encoder import FrameEncoder
    from .fragments import Fragments, fragment_scores
    from .handwriting import Handwriting, PenMixture, Written
    from .joint_embedding import JointEmbedding
    from .label_slots import checked_labels, checked_probabilities, label_one_hots, slot_offsets
    from .layer_norm_rnn import LayerNormRNN
    from .linear_probe import LinearProbe
    from .lrcn import ActivityLRCN, CaptionLRCN, Recurrent, VideoLRCN, normalised_scores
    from .multimodal_rnn import MultimodalRNN
    from .ngram_pictures import NGramPictures
    from .order_embedding import OrderEmbedding, order_violation, ranking_loss
    from .orthogonal_gates import orthogonal_gates_
    from .phrase_translation import (PhraseTranslation, Translation, consistent_phrases, ibm_model_1, phrase_table,
                                     word_links)
    from .picture_encoder import PictureEncoder
    from .reed_recurrence import ReedGRU, ReedRNN
    from .show_and_tell import ShowTell
    from .show_attend_and_tell import Decoded, ShowAttendTell
    from .skip_thoughts import Neighbours, SkipThoughts, skip_thoughts_loss
    from .stackgan import StackDiscriminator, StageIGenerator, StageIIGenerator
    from .star_crf import CRF, FullCRF, StarCRF
    from .structured_joint_embedding import (class_means, class_scores, classify_images, classify_texts, joint_embedding_loss,
                                             zero_one_loss)
    from .style_encoder import StyleEncoder, style_loss
    from .text_to_image_gan import Discriminator, Generator, dcgan_weights_, zero_conv_biases_
    from .trigram import Trigram
    from .video_lrcn import VideoDescriber
    from .visual_ngrams import VisualNGrams
    from .visual_semantic import BidirectionalEncoder, VisualSemanticAlignment
    from .word_vectors import small_embedding
else:
    __getattr__, __dir__ = lazily(__name__, globals(), {
        "adversarial": ["discriminator_loss", "generator_loss", "interpolated_texts"],
        "attention_objective": ["MovingAverage", "attention_entropy", "doubly_stochastic_penalty", "hard_objective",
                                "path_log_prob", "soft_objective"],
        "attentive_reader": ["AttentiveReader", "Reading"],
        "caption_likelihood": ["caption_log_prob"],
        "char_cnn_rnn": ["CharCNNRNN"],
        "clip": ["CLIP", "ModifiedResNet", "QuickGELU", "Transformer", "VisionTransformer", "clip_loss", "clip_temperature_",
                 "contrastive_loss", "zero_shot", "zero_shot_weights"],
        "conditioning_augmentation": ["ConditioningAugmentation"],
        "conv_encoder": ["ConvEncoder"],
        "conv_sentence": ["ConvSentence"],
        "dalle": ["DALLETransformer", "DVAE", "DVAEDecoder", "DVAEEncoder", "clip_scores", "column_mask", "conv_mask",
                  "dalle_loss", "full_mask", "half_cosine", "kl_to_uniform", "layer_kinds", "logit_laplace_nll",
                  "map_pixels", "rerank", "row_mask", "sample_images", "unmap_pixels"],
        "dependency_rnn": ["DependencyRNN"],
        "description_rnn": ["DescriptionRNN"],
        "devise": ["DeViSE"],
        "draw": ["Draw", "Drawn", "Glimpse", "OutputNormLSTMCell", "filterbank", "gaussian_kl"],
        "frame_encoder": ["FrameEncoder"],
        "fragments": ["Fragments", "fragment_scores"],
        "handwriting": ["Handwriting", "PenMixture", "Written"],
        "joint_embedding": ["JointEmbedding"],
        "label_slots": ["checked_labels", "checked_probabilities", "label_one_hots", "slot_offsets"],
        "layer_norm_rnn": ["LayerNormRNN"],
        "linear_probe": ["LinearProbe"],
        "lrcn": ["ActivityLRCN", "CaptionLRCN", "Recurrent", "VideoLRCN", "normalised_scores"],
        "multimodal_rnn": ["MultimodalRNN"],
        "ngram_pictures": ["NGramPictures"],
        "order_embedding": ["OrderEmbedding", "order_violation", "ranking_loss"],
        "orthogonal_gates": ["orthogonal_gates_"],
        "phrase_translation": ["PhraseTranslation", "Translation", "consistent_phrases", "ibm_model_1", "phrase_table",
                               "word_links"],
        "picture_encoder": ["PictureEncoder"],
        "reed_recurrence": ["ReedGRU", "ReedRNN"],
        "show_and_tell": ["ShowTell"],
        "show_attend_and_tell": ["Decoded", "ShowAttendTell"],
        "skip_thoughts": ["Neighbours", "SkipThoughts", "skip_thoughts_loss"],
        "stackgan": ["StackDiscriminator", "StageIGenerator", "StageIIGenerator"],
        "star_crf": ["CRF", "FullCRF", "StarCRF"],
        "structured_joint_embedding": ["class_means", "class_scores", "classify_images", "classify_texts",
                                       "joint_embedding_loss", "zero_one_loss"],
        "style_encoder": ["StyleEncoder", "style_loss"],
        "text_to_image_gan": ["Discriminator", "Generator", "dcgan_weights_", "zero_conv_biases_"],
        "trigram": ["Trigram"],
        "video_lrcn": ["VideoDescriber"],
        "visual_ngrams": ["VisualNGrams"],
        "visual_semantic": ["BidirectionalEncoder", "VisualSemanticAlignment"],
        "word_vectors": ["small_embedding"],
    })
