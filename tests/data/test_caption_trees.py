"""Trees of scene captions: by hand for each wording, trees for every sentence of the world, and what is refused."""

import pytest

from tinymm.data.worlds.caption_trees import RELATIONS, ROOT, dependency_tree
from tinymm.data.worlds.scene_captions import Caption, sentence
from tinymm.data.worlds.sprite_scenes import SpriteScenes


def written(caption: Caption) -> str:
    """word<relation-head, word by word."""
    tree = dependency_tree(caption)
    return " ".join(f"{word}<{RELATIONS[r]}-{caption.words[h] if h != ROOT else '*'}"
                    for word, h, r in zip(caption.words, tree.heads, tree.relations))


@pytest.mark.parametrize("parts, wanted", [
    (["a small blue", ("square", 0)], "a<det-square small<amod-square blue<amod-square square<root-*"),
    (["a red", ("disc", 0), "left of a", ("star", 1)],
     "a<det-disc red<amod-disc disc<root-* left<prep-disc of<prep-left a<det-star star<pobj-of"),
    (["a", ("star", 0), "below a blue", ("box", 1)],
     "a<det-star star<root-* below<prep-star a<det-box blue<amod-box box<pobj-below"),
    (["the", ("plus", 0), "is little and red"],
     "the<det-plus plus<nsubj-is is<root-* little<acomp-is and<cc-little red<conj-little"),
    (["the", ("box", 0), "is to the left of the", ("disc", 1)],
     "the<det-box box<nsubj-is is<root-* to<prep-is the<det-left left<pobj-to of<prep-left the<det-disc disc<pobj-of"),
    (["the", ("box", 0), "is over the", ("disc", 1)],
     "the<det-box box<nsubj-is is<root-* over<prep-is the<det-disc disc<pobj-over"),
    (["there is a", ("box", 0), "and a", ("star", 1)],
     "there<expl-is is<root-* a<det-box box<attr-is and<cc-box a<det-star star<conj-box"),
    (["we see a", ("box", 0)], "we<nsubj-see see<root-* a<det-box box<dobj-see"),
])
def test_the_wordings(parts, wanted):
    assert written(sentence(*parts)) == wanted


def test_every_sentence_of_filled_scenes_is_a_tree():
    kinds = set()
    for part in ("train", "test", "novel"):
        for scene in SpriteScenes(part, 300, seed=3).scenes:
            for caption in scene.captions:
                tree = dependency_tree(caption)
                assert len(tree.heads) == len(tree.relations) == len(caption.words)
                for word in range(len(caption.words)):                     # from every word one comes to the root
                    for _ in caption.words:
                        word = tree.heads[word] if word != ROOT else ROOT
                    assert word == ROOT
                assert tree.heads.count(ROOT) == tree.relations.count(RELATIONS.index("root")) == 1
                nouns = [position for position, _ in caption.mentions]
                kinds.add(tuple(RELATIONS[tree.relations[n]] for n in nouns))
    assert kinds == {("root",), ("root", "pobj"), ("nsubj",), ("nsubj", "pobj"), ("attr",), ("attr", "conj"), ("dobj",),
                     ("dobj", "conj")}


@pytest.mark.parametrize("caption", [
    Caption((), ()), Caption(("a",), ()), Caption(("a", "red"), ()), Caption(("disc",), ()),
    sentence("a drawing of a", ("disc", 0)), sentence("a", ("disc", 0), "left of"), sentence("a", ("disc", 0), "and"),
    sentence("the", ("disc", 0), "is red and the", ("star", 1), "is blue"), sentence("and a", ("disc", 0)),
    sentence("a", ("disc", 0), "a", ("star", 1)), sentence("above a", ("disc", 0)), sentence("the", ("disc", 0), "is"),
    sentence("my favourite picture"), sentence("is a", ("disc", 0)), sentence("there a", ("disc", 0)),
])
def test_other_sentences_are_refused(caption):
    with pytest.raises(ValueError, match="is not in the grammar of filled scenes"):
        dependency_tree(caption)
