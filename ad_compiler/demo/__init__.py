"""The demo: the lecture's circuits, then three classifiers trained on real digit images."""
