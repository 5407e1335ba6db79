"""Metrics that carry their weights, by clu.

This file must not postpone annotations: clu reads them as types.
"""

import flax.struct
from clu import metrics


@flax.struct.dataclass
class TrainMetrics(metrics.Collection):
  """One or more training steps.

  Attributes:
    loss: nats per predicted token, weighted by the mask.
    accuracy: share of predicted tokens whose most likely guess was right.
    gradient_norm: global norm before clipping, of the last step.
  """

  loss: metrics.Average.from_output("nll")
  accuracy: metrics.Average.from_output("correct")
  gradient_norm: metrics.LastValue.from_output("gradient_norm")
