"""Campaigns: which certificates, in which order, how long it takes, and the next step of each. Pure.

`planning` chooses and orders the members, `pace` estimates when each is done, `members` says from one look what has
become of each, and `steps` what is to be asked for and revoked next. All of it follows from the facts of a look and the
stored rows, so that a crash anywhere converges at the next look.
"""
