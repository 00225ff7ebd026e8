import socket, ssl, threading
from tests.e2e.test_outages import *
from tests.e2e.places import _fill
import pytest

class Lagging:
    """Serves what lies in the files; of the connections after a change the second still gets the old one."""
    def __init__(self, folder):
        self.folder=folder; self.sock=socket.create_server(("127.0.0.1",0)); self.port=self.sock.getsockname()[1]
        self.first=(folder/"tls.crt").read_bytes(); self.old=self.ctx(); self.n=0
        threading.Thread(target=self.run,daemon=True).start()
    def ctx(self):
        c=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain(self.folder/"tls.crt", self.folder/"tls.key"); return c
    def run(self):
        while True:
            s,_=self.sock.accept()
            changed=(self.folder/"tls.crt").read_bytes()!=self.first
            ctx=self.old
            if changed:
                self.n+=1
                if self.n!=2: ctx=self.ctx()
            try:
                with ctx.wrap_socket(s,server_side=True) as t: t.recv(1)
            except OSError: pass

@pytest.mark.parametrize("left", [-1, 29])
def test_it(oncall, tmp_path, left):
    ca = ca_in(tmp_path / "ca")
    old = ca.old(SHOP, left * DAY)
    f = tmp_path/"services"/"shop"; _fill("separate", f, old)
    srv = Lagging(f)
    rule = {"from": "disk", "match": {}, "issuer": "ca", "settle": "5s"}
    cfg = {"sources": {"disk": {"files": [str(f/"tls.crt")]}, "wire": {"endpoints": [f"127.0.0.1:{srv.port}"]}}, "adopt": [rule]}
    with wired(config(tmp_path, issuers={"ca": ca.entry}, alerts={"oncall": hook(oncall, tmp_path)}, **cfg)) as wiring:
        t, o = look(wiring)
        print("RESULT", left, o["shop"].result, o["shop"].error, o["shop"].verification.verified)
    assert 0
