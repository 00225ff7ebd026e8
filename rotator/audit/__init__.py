"""The audit: observations in, lines with findings out, as they come; places compared at the end.

`auditor.py` holds one observation after the other against the catalogue of `rotator.core.rules` and keeps of each only
what comparing needs, in `index.py`; `lookups.py` asks CAs and DNS; `whole.py` makes an audit of an inventory.
"""
