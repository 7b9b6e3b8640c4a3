"""Recurrent networks. The map of the room:

cells (the formula of one step, its four rungs): rnn.py, lstm_cell.py, gru_cell.py; with layer norm: layer_norm_lstm.py,
layer_norm_gru.py, and normalised_recurrence.py, what the two add to a sweep.
sweep.py runs a cell over time, stack.py stacks layers and directions, lstm.py and gru.py are the public functions,
lstm_tiles.py is the LSTM's sweep in register tiles, ragged.py packs sequences of different lengths.
"""
