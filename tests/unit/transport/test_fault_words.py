"""Every failure on the way says what to look at."""

import pytest

from llm_orchestrator.transport import faults
from llm_orchestrator.transport.base import Limits

VERIFY = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "


@pytest.mark.parametrize(
    "why, advice",
    [
        (VERIFY + "certificate is not yet valid (_ssl.c:1006)", "clock right?"),
        (VERIFY + "certificate has expired (_ssl.c:1006)", "clock right?"),
        (VERIFY + "self-signed certificate in certificate chain", "SSL_CERT_FILE"),
        (VERIFY + "unable to get local issuer certificate", "SSL_CERT_FILE"),
        (VERIFY + "IP address mismatch, certificate is not valid for '1.2.3.4'.", "base_url"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "http://"),
        ("[SSL: RECORD_LAYER_FAILURE] record layer failure", "http://"),
        ("[SSL: NO_SHARED_CIPHER] no shared cipher", "no shared cipher"),
    ],
)
def test_tls(why: str, advice: str) -> None:
    message = faults.untrusted("api.example.com", why).message
    assert message.startswith(f"no trusted TLS connection to api.example.com: {why}")
    assert advice in message
    assert not message.endswith("; ")


def test_all_others() -> None:
    for fault in (
        faults.unresolved("h"),
        faults.unreachable("h", "refused"),
        faults.reset("h"),
        faults.improper("h", "nonsense"),
    ):
        assert "is base_url" in fault.message
        assert fault.retryable
    assert "a proxy on the way" in faults.cut("h").message
    assert "reachable?" in faults.late("connect", Limits(), "h").message
