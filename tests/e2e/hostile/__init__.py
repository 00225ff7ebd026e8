"""A hostile CA against the real flow: a Pebble whose answers are changed on their way, a real store, a file target.

For every lie: nothing is written, the old certificate stays, the calls and orders are bounded, and both the outcome and
the notice name the reason. `test_certificates.REFUSED` has the certificates that are no good, `test_answers.FAILED` the
answers that are none.

| fault | what the CA does | what becomes of it |
| --- | --- | --- |
| F60 | signs another key | refused: `key-mismatch` |
| F61 | one that has ended | refused: `expired` |
| F62 | one of next week | refused: `not-yet-valid`; the same bundle waits for its time |
| F63 | a shorter life than the old one's rest | refused: `no-progress` |
| F64 | no intermediate | refused: `untrusted` |
| F65 | another CA's intermediate | refused: `untrusted`; reversed, doubled or with a stranger: mended and used |
| F66 | other names; one name missing | refused: `names-missing`; a name too many: `names-added` |
| F67 | self-signed; another root; an intermediate that has ended | refused: `untrusted` |
| F68 | CA:TRUE; code signing; SHA-1; RSA-1024 | refused: `is-ca`, `server-auth-missing`, `weak` |
| F69 | a page, nothing, half, 50 MB, DER, PKCS#7 | failed: `no certificate chain`; with CRLF and words around: used |
| F70 | the same certificate again | refused: `no-progress` |
| F71 | `processing` for ever, `Retry-After` of nought or a year; hangs up | pending, one order; failed: `connection` |
| F72 | refuses every nonce; `rateLimited`; 500 though it has finalized | failed in its words; resumed, one order |
| F73 | account gone, external account or terms wanted, paused | failed at once with what a person has to do |
| F74 | revokes what it has just issued | renewed when its renewal information says so |
| F75 | renewal information that lies | nonsense: as if none; now: within the cap; far off: not past the line |
"""
