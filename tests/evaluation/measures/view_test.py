"""What measures share: onsets, the top line and places in the bar."""

import numpy as np
from hypothesis import given, settings

from musegen_jax.data import notes
from musegen_jax.evaluation.measures.view import View
from tests.evaluation.measures import pieces


def test_fingers_of_a_chord_begin_together() -> None:
  # 480 ticks a beat: a written 64th is 30 ticks, a sloppy chord spans 29.
  starts = np.array([0, 12, 29, 480, 510, 960])
  table = notes.make_notes(starts, np.full(6, 20), np.array([60, 67, 64] * 2))
  view = View(notes.Piece(480, table))
  assert view.onset_ticks.tolist() == [0, 480, 510, 960]
  assert view.top_line.tolist() == [67, 60, 67, 64]
  assert view.top_ticks.tolist() == [12, 480, 510, 960]


def test_the_alto_under_a_held_soprano_is_not_the_melody() -> None:
  piece = pieces.chart(
    (0, 8, 72), (0, 4, 64), (4, 4, 65), (8, 5, 74), (12, 4, 71), (20, 2, 50)
  )
  # 65 lies under 72; 74 sounds into 71 a little, as fingers do.
  assert View(piece).top_line.tolist() == [72, 74, 71, 50]
  # A note two onsets back covers as well; the pitch itself, played anew, never.
  piece = pieces.chart((0, 12, 72), (2, 2, 74), (4, 4, 60), (9, 4, 72))
  assert View(piece).top_line.tolist() == [72, 74, 72]
  # Held to the middle of the next note and no further, it gives way.
  [half, more] = [
    pieces.chart((0, 4 + held, 72), (4, 4, 60), (8, 4, 62)) for held in (2, 3)
  ]
  assert View(half).top_line.tolist() == [72, 60, 62]
  assert View(more).top_line.tolist() == [72, 62]


@settings(deadline=None, max_examples=60)
@given(pieces.random_pieces())
def test_top_line_is_what_its_definition_says(piece: notes.Piece) -> None:
  rows = [row for row in piece.notes.tolist() if not row[5]]
  expected = []
  for start in sorted({row[0] for row in rows}):
    _, duration, pitch, *_ = max(
      (row for row in rows if row[0] == start), key=lambda row: row[2]
    )
    over = [
      other[0] + other[1]
      for other in rows
      if other[0] < start and other[2] > pitch
    ]
    # Of unisons any may be taken for the middle.
    twins = {r[1] for r in rows if r[0] == start and r[2] == pitch}
    if len(twins) > 1:
      return
    if all(end <= start + duration / 2 for end in over):
      expected.append((start, pitch))
  view = View(piece)
  found = zip(view.top_ticks.tolist(), view.top_line.tolist(), strict=True)
  assert list(found) == expected


def test_places_follow_the_meters() -> None:
  # 2/4 for three beats, so with half a bar that is left out, then 3/4.
  piece = pieces.chart(
    (0, 2, 60), (0, 1, 48), (7, 1, 60), (9, 1, 60), (12, 4, 62), (26, 8, 64)
  )
  piece.meters = pieces.meters_of((0, 2, 4), (12, 3, 4))
  found = View(piece).places
  assert found.step.tolist() == [0, 7, 8, 22]
  assert found.place.tolist() == [0, 7, 0, 2]
  assert found.bar.tolist() == [0, 0, 0, 1]
  assert found.run.tolist() == [0, 0, 1, 1]
  assert found.source.tolist() == [0, 2, 4, 5]


def test_a_note_just_before_a_new_meter_is_in_it() -> None:
  piece = pieces.line([60, 62, 64], [2.99, 3, 1])
  piece.meters = pieces.meters_of((0, 3, 4), (480 * 3, 2, 4))
  found = View(piece).places
  assert found.run.tolist() == [0, 1, 1]
  assert found.place.tolist() == [0, 0, 4]


def test_bars_off_the_grid_have_no_places() -> None:
  piece = pieces.line([60, 62], [1, 1], (3, 32))
  assert not len(View(piece).places.step)
