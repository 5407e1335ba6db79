"""The averaging rules of the polyphonic benchmark: nats of frames to a figure.

The rule alone moves a figure of MuseData by up to one nat, so every figure
names its own. F frames over all pieces, P pieces, T frames of one piece.
"""

import numpy as np

from musegen_jax.errors import UserError

# Frames of a window, and windows of a batch, in LUMII-Syslab/RRU.
WINDOW = 200
BATCH = 16

RULES = {
  "b": "pooled mean over frames 2..T of all pieces (TCN; the main figure)",
  "a": "pooled mean over all frames, frame 1 counted (Boulanger-Lewandowski"
  " 2012)",
  "c": "mean over pieces of each piece's mean over frames 2..T",
  "d": f"RRU's weights: frames 2..T in windows of {WINDOW}, windows of a batch"
  f" of {BATCH} weighted equally, and batches equally. RRU also resets the"
  " state at each window and drops silent frames; neither is done here",
}


def averages(nll: np.ndarray, lengths: np.ndarray) -> dict[str, float]:
  """The figure under each of RULES, in nats a frame.

  Args:
    nll: float64 [F], nats of every frame, piece after piece.
    lengths: integer [P], frames of each piece; their sum is F.

  Raises UserError where no piece has a second frame. Rules (a) to (c) after
  Boulanger-Lewandowski et al. 2012 and Bai et al. 2018 (TCN); (d) after
  mm_utils.py and mm_main.py of LUMII-Syslab/RRU.
  """
  sums, counts = later_frames(nll, lengths)
  scored = counts > 0
  if not scored.any():
    raise UserError(
      "no piece has a second frame, so nothing is scored; give longer pieces"
    )
  return {
    "b": float(sums.sum() / counts.sum()),
    "a": float(np.mean(nll)),
    "c": float(np.mean(sums[scored] / counts[scored])),
    "d": _windowed(nll, lengths),
  }


def later_frames(
  nll: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Nats and number of the frames 2..T of each piece, float64 [P] each: what
  rule (b) divides, and an interval over pieces resamples."""
  if nll.shape != (np.sum(lengths),):
    raise ValueError(f"nll {nll.shape} for {np.sum(lengths)} frames")
  ends = np.cumsum(lengths)
  starts = ends - lengths
  running = np.concatenate([[0.0], np.cumsum(nll, dtype=np.float64)])
  firsts = np.where(lengths > 0, nll[np.minimum(starts, len(nll) - 1)], 0.0)
  sums = running[ends] - running[starts] - firsts
  return sums, np.maximum(lengths - 1, 0).astype(np.float64)


def _windowed(nll: np.ndarray, lengths: np.ndarray) -> float:
  ends = np.cumsum(lengths)
  means = np.array(
    [
      nll[start : min(start + WINDOW, end)].mean()
      for begin, end in zip(ends - lengths, ends, strict=True)
      for start in range(begin + 1, end, WINDOW)
    ]
  )
  # RRU's last batch takes what is left over, up to 31 windows.
  whole = max(len(means) // BATCH, 1)
  batches = np.split(means, BATCH * np.arange(1, whole))
  return float(np.mean([batch.mean() for batch in batches]))
