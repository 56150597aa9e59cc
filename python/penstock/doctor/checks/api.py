"""The REST API, which users need and agents do not."""

import ssl
from urllib.parse import urlsplit

import httpx

from penstock.doctor.examination import Examination
from penstock.doctor.finding import CheckError, Finding

_PATH = "/api/healthz"
_SHOWN = 80


def reach(examination: Examination) -> Finding:
    """Whether the API answers, and is well."""
    api = examination.patient.api
    if api is None:
        raise CheckError("the API's address is not known")
    try:
        answer = httpx.get(
            api.url + _PATH,
            verify=api.trust if api.trust is not None else True,
            timeout=examination.timeout_seconds,
            trust_env=urlsplit(api.url).hostname not in ("localhost", "127.0.0.1", "::1"),
        )
    except httpx.TransportError as error:
        raise CheckError(f"{api.url} cannot be reached: {_why(error)}", {"api": _why(error)}) from error
    kind = answer.headers.get("content-type", "nothing").partition(";")[0]
    facts = {"status": str(answer.status_code), "type": kind, "server": answer.headers.get("server", "")}
    if answer.status_code == httpx.codes.OK and kind == "application/json":
        return Finding(api.url)
    if kind == "application/json":
        facts["reason"] = answer.text[:_SHOWN]
        raise CheckError(f"{api.url} is not well: {facts['reason']}", facts)
    raise CheckError(f"{api.url}{_PATH} answers {answer.status_code}, {kind}", facts)


def _why(error: BaseException) -> str:
    cause = error
    while (below := cause.__cause__ or cause.__context__) is not None:
        cause = below
    return cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else str(cause or error)
