"""Values of the model as plain JSON and back, by explicit functions: what is stored is decided here, not by a pickle.

Each pair `x_to_json` / `x_from_json` gives back an equal value. Reading raises `ValueError`, `KeyError` or `TypeError`
for a document that is not what was written. A certificate is kept as its DER and parsed again.
"""
