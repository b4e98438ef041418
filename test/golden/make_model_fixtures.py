"""Makes test/fixtures/{blocks,models,tokenizer} with independent implementations.

Values of quantized blocks come from the `gguf` package, logits and features from `transformers`, token ids from
`transformers`, `tokenizers` and `sentencepiece`. Everything is seeded: a second run writes the same files.

    python test/golden/make_model_fixtures.py MODELS_DIRECTORY

MODELS_DIRECTORY holds the catalogue's GGUF files; their vocabularies are read, nothing else. Needs the packages gguf,
sentencepiece, tokenizers, torch and transformers (seen with gguf 0.19, sentencepiece 0.2.3, tokenizers 0.23.3,
torch 2.15 and transformers 5.23).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import block_fixtures
import chat_fixtures
import tiny_model_fixtures
import tokenizer_fixtures

FIXTURES = Path(__file__).parent.parent / "fixtures"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    block_fixtures.write(FIXTURES / "blocks")
    tiny_model_fixtures.write(FIXTURES / "models")
    tokenizer_fixtures.write(FIXTURES / "tokenizer", Path(sys.argv[1]))
    chat_fixtures.write(FIXTURES / "tokenizer", Path(sys.argv[1]))


if __name__ == "__main__":
    main()
