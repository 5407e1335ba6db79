"""The detector: what counts as collapsed, and what it says."""

import pytest

from musegen_jax.evaluation import collapse


def test_a_used_latent_space_is_left_alone() -> None:
  assert collapse.reasons(45.6, 32, 32, 6.5) == []
  assert collapse.reasons(10.0, 16, 32) == []


@pytest.mark.parametrize(
  ("kl_bits", "active", "ratio", "says"),
  [
    (9.9, 32, 5.0, "KL 9.9 bits a window is below 10"),
    (45.6, 15, 5.0, "15 of 32 units are active"),
    (45.6, 32, 3.9, "onset accuracy with its own z is 3.9 x"),
    (float("nan"), 32, 5.0, "KL nan"),
  ],
)
def test_each_sign_alone_is_enough(
  kl_bits: float, active: int, ratio: float, says: str
) -> None:
  [reason] = collapse.reasons(kl_bits, active, 32, ratio)
  assert reason.startswith(says)


def test_published_control_run_is_flagged_by_every_sign() -> None:
  # beta = 1 without free bits: 1.1 bits, 2 of 32 units, .108 against .052.
  assert len(collapse.reasons(1.1, 2, 32, 0.108 / 0.052)) == 3
