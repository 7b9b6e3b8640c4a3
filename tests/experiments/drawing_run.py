"""The folder of a finished lecture 7 whose networks were never trained: quick to make, and as good to restore."""

import json
import pathlib

from tinymm import nn
from tinymm.experiments.lecture_07 import photographs
from tinymm.experiments.lecture_07.embedding import text_encoder
from tinymm.experiments.lecture_07.gan import build
from tinymm.train.checkpoint import save_checkpoint
from tinymm.version import __version__

REPORT = {"lecture": 7, "variant": "cls", "data": None, "tinymm": __version__, "seconds": 1.0, "metrics": {}, "claims": []}


def drawing_run(folder: pathlib.Path, **report) -> pathlib.Path:
    """Write it; ``report`` changes what its report says, and so which networks it has."""
    said = {**REPORT, **report}
    encoder = text_encoder() if said["data"] is None else photographs.text_encoder()
    stages: dict = {"embedding": encoder}
    if said["variant"] == "stackgan":
        from tinymm.experiments.lecture_07.stackgan import build_generators

        stages |= {stage: nn.ModuleDict({"G": G}) for stage, G in zip(("stage_one", "stage_two"), build_generators())}
    else:
        G, D = build(0) if said["data"] is None else photographs.networks(0, photographs.SCALES[said["scale"]])
        stages["gan"] = nn.ModuleDict({"D": D, "G": G})
    for stage, model in stages.items():
        for p in model.parameters():
            if p.ndim > 1:                             # so that texts and noise are seen in the pictures
                nn.init.kaiming_normal_(p)
        save_checkpoint(folder / "checkpoints" / stage, 1, model.state_dict(), {}, {"config": {}})
    (folder / "report.json").write_text(json.dumps(said))
    return folder
