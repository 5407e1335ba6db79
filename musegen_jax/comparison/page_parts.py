"""Pieces of the report's page: safe text, numbers, lists.

Every function returns HTML whose data is escaped; names are untrusted.
"""

import html
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

DASH = "–"
_LETTERS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
# Order embedded in a name must not turn the words around it.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def text(raw: str) -> str:
  """Untrusted text for an element or an attribute in double quotes."""
  kept = "".join(
    "\N{REPLACEMENT CHARACTER}"
    if unicodedata.category(c) in ("Cc", "Cs") or c in _TURNING
    else c
    for c in raw.replace("\n", " ").replace("\t", " ")
  )
  return html.escape(kept)


def lines(raw: str) -> str:
  """Untrusted text of many lines for an element that keeps them."""
  return "\n".join(text(line) for line in raw.splitlines())


def system(name: str, places: Mapping[str, int]) -> str:
  """The name of a system with the colour of its number before it."""
  hue = f" s{places[name]}" if name in places else ""
  # The full name, where the style sheet cuts it.
  title = f' title="{text(name)}"' if len(name) > 40 else ""
  return f'<span class="system{hue}"{title}><bdi>{text(name)}</bdi></span>'


def number(value: float | None, like: float | None = None) -> str:
  """A value with three significant digits; a dash where there is none.

  Args:
    value: what to print.
    like: a value with as many decimals, where it is not this one.
  """
  if value is None or not math.isfinite(value):
    return DASH
  if not value:
    return "0"
  size = abs(value if like is None else like)
  if size >= 1e6 or size < 1e-3:
    mantissa, exponent = f"{value:.2e}".split("e")
    shown = f"{mantissa}e{int(exponent)}"
  else:
    # Rounded first: 0.9996 has the decimals of 1.
    first = math.floor(math.log10(float(f"{size:.3g}")))
    shown = f"{value:,.{min(max(2 - first, 0), 5)}f}"
  if not float(shown.replace(",", "")):
    shown = shown.lstrip("-")
  return shown.replace("-", "−")


def interval(value: float | None, low: float | None, high: float | None) -> str:
  """A value, and its interval below it where there is one."""
  shown = number(value)
  if low is None or high is None or shown == DASH:
    return shown
  like = value or max(abs(low), abs(high))
  return f"{shown}<small>{number(low, like)} to {number(high, like)}</small>"


def count(value: int | None) -> str:
  """A whole number, above 10,000 with three digits and a letter."""
  if value is None:
    return DASH
  for size, letter in _LETTERS:
    if value >= max(size, 10_000):
      return f"{value / size:.3g} {letter}"
  return f"{value:,}"


def p_value(value: float | None) -> str:
  """A probability with three decimals."""
  if value is None or not math.isfinite(value):
    return DASH
  return "&lt; 0.001" if value < 0.001 else f"{value:.3f}"


def plural(value: int, noun: str) -> str:
  """A count of things, as "2 seeds"."""
  return f"{count(value)} {noun}{'' if value == 1 else 's'}"


def paragraphs(sentences: Iterable[str], kind: str) -> str:
  """A list of sentences, or nothing."""
  items = "".join(f"<li>{text(line)}</li>" for line in sentences)
  return f'<ul class="{kind}">{items}</ul>' if items else ""


def warnings(sentences: Sequence[str]) -> str:
  """A box of warnings, or nothing."""
  items = "".join(f"<p>{text(line)}</p>" for line in sentences)
  return (
    f'<aside class="warnings" aria-label="Warnings">{items}</aside>'
    if items
    else ""
  )


def details(title: str, body: str, is_open: bool = False) -> str:
  """A part that folds; `title` is HTML."""
  opened = " open" if is_open else ""
  return (
    f'<details class="part"{opened}><summary>{title}</summary>{body}</details>'
  )
