"""`python -m musegen_jax.data.codecs` prints every vocabulary."""

from musegen_jax.data.codecs import codec


def main() -> None:
  """Prints a table per codec."""
  for name in codec.names():
    one = codec.load(name)
    print(f"{name}: {one.vocab_size} tokens, hash {one.vocabulary_hash}")
    print(one.table())


if __name__ == "__main__":
  main()
