"""The budget: what CAs limit, what of it is used up, who may spend what is left, and when it will run short. Pure.

`limits` has what CAs publish, `tally` counts one limit as the CA does, `spending` decides within one look who orders
where, `known` tells a renewal from a first order, and `forecast` looks weeks ahead.
"""
