"""Posterior collapse: the decoder has learnt to do without z."""

# Least KL of a window, share of active units, and onset accuracy with a
# window's own z over that with another piece's; collapsed models of two bars
# had 2 bits, 2 of 32 units and a ratio of 2 to 3, sound ones 22 to 46 bits,
# all units and 4.4 to 6.5.
MIN_KL_BITS = 10.0
MIN_ACTIVE_SHARE = 0.5
MIN_ONSET_RATIO = 4.0

ADVICE = "raise vae.free_bits, lower vae.beta or raise vae.word_dropout"


def reasons(
  kl_bits: float,
  active_units: int,
  latent_size: int,
  onset_ratio: float | None = None,
) -> list[str]:
  """Why a posterior has collapsed; nothing where it has not.

  Args:
    kl_bits: mean KL of a window's posterior to the prior, bits.
    active_units: dimensions of z that differ between windows.
    latent_size: dimensions of z.
    onset_ratio: free-running onset accuracy with a window's own z, divided by
      that with the z of another piece; None where it was not measured.
  """
  found = []
  # Written so that nan counts as collapsed.
  if not kl_bits >= MIN_KL_BITS:
    found.append(f"KL {kl_bits:.1f} bits a window is below {MIN_KL_BITS:.0f}")
  if active_units < MIN_ACTIVE_SHARE * latent_size:
    found.append(f"{active_units} of {latent_size} units are active")
  if onset_ratio is not None and not onset_ratio >= MIN_ONSET_RATIO:
    found.append(
      f"onset accuracy with its own z is {onset_ratio:.1f} x that with"
      f" another piece's, below {MIN_ONSET_RATIO:.0f} x"
    )
  return found
