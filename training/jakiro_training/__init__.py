"""Training of Jakiro draft heads: corpus, features, training, evaluation and export."""
