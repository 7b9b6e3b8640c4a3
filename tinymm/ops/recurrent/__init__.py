"""Recurrent networks. The map of the room:

one step, the formula first and then its rungs: rnn.py (and its sequences), lstm_cell.py, gru_cell.py; with layer norm
(steps and sequences) layer_norm_lstm.py, layer_norm_gru.py, over normalised_recurrence.py (what the norm adds to a sweep).
Over time: sweep.py takes a step through a sequence, lstm_tiles.py does the LSTM's in register tiles on the CPU; stack.py
checks arguments and piles layers and directions; lstm.py and gru.py are the public functions over whole sequences.
ragged.py: sequences of different lengths, padded with ``lengths`` or packed. samples.py: the sample calls that the
registry's tests use for several of them.
"""
