"""The essay writer: an LSTM language model and its engine."""
