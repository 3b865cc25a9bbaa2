"""Accuracy of short answers: Yes/No by the word, What/Why/How by a judge."""
