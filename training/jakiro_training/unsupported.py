"""The error for models that training cannot make a head for."""


class UnsupportedModel(ValueError):
    """Its message is one sentence for the user: what the model has, and what is supported."""
