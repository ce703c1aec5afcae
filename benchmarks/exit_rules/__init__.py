"""Exit rules: one module per rule, with `choose(evidence, settings)` that says where each image goes from here.

`choose` returns exits (N,), counted from 1. An image whose exit is the one it has reached, `evidence.exit`, leaves; one
that is sent on gets there without the heads between, and the rule is asked again. At the last exit nobody is asked.
`evidence` is a `qebench.networks.rules.Evidence`; what is not known yet is NaN in it.

A module also has

- USES: what it looks at, of "scores", "change", "quality", "bpp", "draw" and "gains". A running network computes no
  other. A rule that uses "gains" knows the original: a bound, not to be used.
- CALIBRATED: whether the candidates below depend on pictures. Such a rule is judged on pictures that it has not seen.
- `candidates(evidence, gains, cost)`: the settings to choose from, always equally many, given `gains` (N, exits) in dB
  and the `cost` (exits,) in GMACs. A calibrated rule returns for each of `rules.PRICES` those that are best for
  gain less price times cost on these images, or for as many losses of gain the cheapest (`quality`). Settings are what
  JSON can hold.
"""
