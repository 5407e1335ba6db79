"""Figures in print on the polyphonic benchmark, with where they come from.

Nats a frame on the test split; nothing here was run by us. Exact likelihoods,
bounds and other estimators are three kinds, never one column: a bound is above
the model's exact figure, an estimate can be on either side of it.

Left out: Walder 2016 (arXiv 1606.01368), whose abstract claims the best
figures on all four sets but whose tables were not at hand.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class PublishedSet:
  """One of the four data sets (Boulanger-Lewandowski et al. 2012).

  Attributes:
    title: as printed.
    file: its name in the folder of benchmark files.
    sha256: of that file.
    one_gram: what the note 1-gram must read on it under rule (a).
  """

  title: str
  file: str
  sha256: str
  one_gram: float


SETS = {
  "jsb": PublishedSet(
    "JSB",
    "JSB_Chorales.npz",
    "8aa9276e83a4079cf2b6b00bdd99b2cee94f415eb941f9366e8a183eaa0d7fc4",
    11.060,
  ),
  "nottingham": PublishedSet(
    "Nottingham",
    "Nottingham.npz",
    "b1728c5383ca56578ff04adc1c09bba6b35cd2b561c2e5a8b5206ac974883f3f",
    10.252,
  ),
  "musedata": PublishedSet(
    "MuseData",
    "MuseData.npz",
    "a212371ffc91c3db851014c2602b9ecc8ded0c1157fbf8f2251b8dc14e1728b3",
    11.510,
  ),
  "piano_midi": PublishedSet(
    "Piano-midi.de",
    "Piano_midi.npz",
    "58e94fbc2738f63169757fe03ddea1577f2f36c57fd7da873711fdec4b2969df",
    11.046,
  ),
}

EXACT = "exact NLL"
BOUND = "upper bound on the NLL"
OTHER = "another estimate"
ESTIMATORS = (EXACT, BOUND, OTHER)

READ = "as published, read"
RECALLED = "as published, from memory"
UNCERTAIN = "as published, from memory, uncertain"


@dataclasses.dataclass(frozen=True)
class Row:
  """One published model.

  Attributes:
    model: its name.
    figures: nats a frame for each of SETS; None where none is known.
    estimator: one of ESTIMATORS.
    rule: the averaging, a letter of frame_rules.RULES, or "" if unknown.
    source: a short citation.
    note: what else must be known to compare.
    mark: whether the source was read for this table.
  """

  model: str
  figures: tuple[float | None, ...]
  estimator: str
  rule: str
  source: str
  note: str
  mark: str


def _rows(
  estimator: str,
  rule: str,
  source: str,
  note: str,
  mark: str,
  figures: dict[str, tuple[float | None, ...]],
) -> list[Row]:
  rows = []
  for model, values in figures.items():
    # Some papers report the first sets alone.
    values += (None,) * (len(SETS) - len(values))
    rows.append(Row(model, values, estimator, rule, source, note, mark))
  return rows


_BL = "Boulanger-Lewandowski 2012"
_RRU = "RRU, LUMII-Syslab"

ROWS = (
  *_rows(
    EXACT,
    "a",
    _BL,
    "Table 1; rule (a) confirmed by the self-test",
    RECALLED,
    {"note 1-gram": (11.06, 10.25, 11.51, 11.05)},
  ),
  *_rows(
    EXACT,
    "b",
    "TCN, Bai 2018",
    "Table 1; grid search, about 300 thousand (JSB) and 1 million parameters",
    READ,
    {
      "RNN": (8.91, 4.05),
      "GRU": (8.43, 3.46),
      "LSTM": (8.45, 3.29),
      "TCN": (8.10, 3.07),
    },
  ),
  *_rows(
    EXACT,
    "d",
    _RRU,
    "README; state reset every 200 frames; its code (mm_utils.py, mm_main.py)"
    " drops silent frames and hands test figures to its search of 100 trials",
    READ,
    {
      "LSTM": (8.33, 3.25, 7.24, 7.54),
      "GRU": (8.20, 3.22, 7.31, 7.58),
      "Mogrifier LSTM": (8.18, 3.28, 7.22, 7.52),
      "RRU": (7.72, 2.92, 7.03, 7.38),
    },
  ),
  *_rows(
    EXACT,
    "a",
    _BL,
    "HF: Hessian-free optimisation",
    RECALLED,
    {
      "RNN": (8.71, 4.46, 8.13, 8.37),
      "RNN, HF": (8.58, 3.89, 7.19, 7.66),
      "RNN-NADE": (5.83, 2.91, 6.74, 7.48),
      "RNN-NADE, HF": (5.56, 2.31, 5.60, 7.05),
    },
  ),
  *_rows(
    EXACT,
    "",
    "Chung 2014",
    "arXiv 1412.3555; its MuseData is out of line with like models, so its"
    " normalisation may differ",
    RECALLED,
    {
      "tanh RNN": (9.10, 3.13, 6.23, 9.03),
      "GRU": (8.54, 3.23, 5.99, 8.82),
      "LSTM": (8.67, 3.20, 6.23, 9.03),
    },
  ),
  *_rows(
    EXACT,
    "",
    "Greff 2015",
    "arXiv 1503.04069; best of 200 trials",
    RECALLED,
    {"LSTM": (8.38,)},
  ),
  *_rows(
    EXACT,
    "b",
    "Wang 2019",
    "arXiv 1907.05572; the evaluation loop of TCN",
    RECALLED,
    {"Transformer": (None, 3.34), "R-Transformer": (None, 2.37)},
  ),
  *_rows(
    EXACT,
    "",
    "Johnson 2017",
    "tied parallel networks; the table itself was not at hand",
    UNCERTAIN,
    {"BALSTM": (5.0, 1.4, 3.9, 4.9)},
  ),
  *_rows(
    BOUND,
    "",
    "Krishnan 2017",
    "quoted by pyro's dmm.ipynb; 6.93 by the paper's other normalisation",
    READ,
    {"DMM": (7.03,)},
  ),
  *_rows(
    BOUND,
    "",
    "Pyro",
    "tutorial dmm.ipynb, 5000 epochs; IAF: inverse autoregressive flows",
    READ,
    {
      "DMM": (6.87,),
      "DMM, 1 IAF": (6.82,),
      "DMM, 2 IAF": (6.80,),
    },
  ),
  *_rows(
    BOUND,
    "",
    "Bayer & Osendorfer 2014",
    "quoted by Fraccaro 2016",
    RECALLED,
    {"STORN": (6.91, 2.85, 6.16, 7.13)},
  ),
  *_rows(
    BOUND,
    "",
    "Gan 2015",
    "",
    RECALLED,
    {"TSBN": (7.48, 3.67, 6.81, 7.98)},
  ),
  *_rows(
    BOUND,
    "",
    "Fraccaro 2016",
    "arXiv 1605.07571; smooth, res",
    RECALLED,
    {"SRNN": (4.74, 2.94, 6.28, 8.20)},
  ),
  *_rows(
    BOUND,
    "",
    "Maddison 2017",
    "arXiv 1705.09279; 4 particles",
    UNCERTAIN,
    {"VRNN, FIVO": (6.90, 2.68, 6.20, 7.76)},
  ),
  *_rows(
    OTHER,
    "a",
    _BL,
    "partition functions by annealed importance sampling",
    RECALLED,
    {
      "RTRBM": (6.35, 2.62, 6.35, 7.36),
      "RNN-RBM": (6.27, 2.39, 6.01, 7.09),
    },
  ),
  *_rows(
    OTHER,
    "",
    "Gu 2015",
    "sequential Monte Carlo",
    RECALLED,
    {"NASMC": (3.99, 2.72, 6.89, 7.61)},
  ),
  *_rows(
    OTHER,
    "",
    "Vohra 2015",
    "quoted by TCN, Table 4; another output model and reporting",
    READ,
    {"DBN-LSTM": (3.47, 1.32)},
  ),
)
