"""What the captioning lectures share.

parts.py (pictures and captions of a world or of photographs), pairs.py (their training pairs), datasets.py (published ones
by name), captioner.py (encoder, decoder and search), teaching.py (what an encoder of sprites learns before it sees a
caption), stage.py (a Trainer that teaches a captioner), likelihood.py (nats of captions), lecture.py (the protocol of a
captioning lecture), trained.py (a captioner taken from a run's folder).
"""
