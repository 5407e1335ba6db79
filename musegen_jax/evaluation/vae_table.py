"""The evaluation of a VAE as Markdown."""

from collections.abc import Sequence

from musegen_jax.evaluation import bootstrap, collapse
from musegen_jax.evaluation import markdown as markdown_lib

AVERAGING = (
  "pooled: the sum over all windows, divided by all their steps, notes or their"
  " number; steps without music at a bar's end never count; intervals: 95 %"
  f" percentile bootstrap over pieces, {bootstrap.RESAMPLES} resamples"
)


def _cell(triple: Sequence[float], form: str) -> str:
  value, low, high = triple
  return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def markdown(result: dict) -> str:
  """The result of `vae_run.evaluate` as text."""
  lines = [
    f"split {result['split']}: {result['pieces']} pieces, {result['windows']}"
    f" of {result['windows_of_split']} windows of {result['window_steps']}"
    f" steps, {result['steps']} steps, {result['notes']} notes; codec"
    f" {result['codec']}",
    result["averaging"],
    *_likelihoods(result["blocks"]),
    *_accuracies(result["accuracy"]),
    *_posterior(result),
  ]
  if "latent" in result:
    latent = result["latent"]
    lines += _hole(latent["hole"], latent["fitted_on"])
    lines += _interpolation(latent["interpolation"])
    lines += _attributes(latent["attributes"])
  return "\n".join(lines)


def _likelihoods(blocks: list[dict]) -> list[str]:
  titles = ["windows", "model", "figure"]
  titles += ["nats/step", "nats/note", "bits/window", "over LSTM, per cent"]
  rows = []
  for block in blocks:
    gaps = block["gap_to_lstm_per_cent"]
    for each in block["rows"]:
      gap = gaps.get(each["model"])
      rows.append(
        [
          str(block["windows"]),
          each["model"],
          f"{each['kind']} NLL".replace("bound NLL", "bound on NLL"),
          _cell(each["nats_per_step"], ".4f"),
          _cell(each["nats_per_note"], ".4f"),
          _cell(each["bits_per_window"], ".2f"),
          _cell(gap, "+.1f") if gap else "",
        ]
      )
  return markdown_lib.table(titles, rows)


def _accuracies(accuracy: dict) -> list[str]:
  rows = [
    [
      each["way"],
      each["z"],
      _cell(each["steps"], ".3f"),
      _cell(each["onsets"], ".3f"),
    ]
    for each in accuracy["rows"]
  ]
  titles = ["reconstruction", "z", "step accuracy", "onset accuracy"]
  ratio = accuracy["onset_ratio"]
  said = "cannot be measured on one piece"
  if ratio:
    said = f"{_cell(ratio, '.2f')} x that with the z of another piece"
  return [
    *markdown_lib.table(titles, rows),
    "",
    f"free-running onset accuracy: {said}",
  ]


def _posterior(result: dict) -> list[str]:
  found = result["posterior"]
  line = (
    f"posterior: KL {_cell(found['kl_bits'], '.1f')} bits a window;"
    f" {found['active_units']} of {found['latent_size']} units active; mutual"
    f" information of z and window {found['mutual_information_bits']:.1f} bits"
    f" (at most {found['mutual_information_cap_bits']:.1f} can be seen)"
  )
  verdict = "not collapsed"
  if result["collapsed"]:
    verdict = f"COLLAPSED: {'; '.join(result['collapsed'])}; {collapse.ADVICE}"
  return [line, verdict]


def _hole(hole: dict, fitted_on: int) -> list[str]:
  if not hole:
    return ["", "the prior cannot be judged on so few windows"]
  names = ("real", "posterior", "prior", "fitted")
  rows = [
    [which, *(_optional(hole[key].get(name), ".2f") for name in names)]
    for which, key in (
      ("z against posterior z", "latent"),
      ("windows against real ones", "decoded"),
    )
  ]
  titles = ["told apart (AUC)", "real windows", "posterior", "prior N(0, I)"]
  titles.append(f"Gaussian fitted on {fitted_on} windows")
  note = (
    f"area under the curve of a fresh classifier, {hole['windows']} a side;"
    " 0.5: cannot be told apart; the first figure of each row is its floor"
  )
  return [*markdown_lib.table(titles, rows), "", note]


def _optional(value: float | None, form: str) -> str:
  return "" if value is None else f"{value:{form}}"


def _interpolation(found: dict) -> list[str]:
  if not found:
    return ["no two windows of different pieces to interpolate between"]
  lines = [
    f"interpolation, {found['points']} points, {found['pairs']} pairs: distance"
    " to the first end, Spearman with the way gone"
    f" {_cell(found['spearman'], '.3f')}"
  ]
  middle = found.get("midpoints")
  if middle:
    lines.append(
      f"midpoints: {middle['decoded']:.3f} nats a note under the LSTM;"
      f" cross-fades of the two windows {middle['cross_fade']:.3f}; difference"
      f" {_cell(middle['difference'], '+.3f')}, paired by pair"
    )
  elif middle is not None:
    lines.append("midpoints: hardly a note in them, nothing to compare")
  return lines


def _attributes(found: dict) -> list[str]:
  titles = ["vector", "moved as asked", "up", "down", "where it had room"]
  rows = []
  for number, name in enumerate(found["names"]):
    shares = [found[key][number] for key in ("moved", "up", "down")]
    shares.append(found["moved_with_room"][number])
    cells = [_optional(share, ".2f") for share in shares]
    matrix = [_optional(value, "+.2f") for value in found["matrix"][number]]
    rows.append([name, *cells, *matrix])
  note = (
    f"attribute vectors, {found['windows']} windows: share of windows whose own"
    " attribute moved the asked way at amount 1 and -1 (no change is no move);"
    " then what each vector moves, in standard deviations of the training"
    " windows"
  )
  return [*markdown_lib.table(titles + found["names"], rows), "", note]
