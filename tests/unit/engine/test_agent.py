"""An agent behind its façade."""

import json

import pytest
from penstock.domain.agent_key import AgentKey
from penstock.domain.errors import PenstockError
from penstock.engine.agent import Agent, AgentCertificate, AgentConfig

KEY = AgentKey("grpc://127.0.0.1:1", "a", "hush")


def test_the_core_is_told_all_of_it() -> None:
    config = AgentConfig(KEY, ["db:1"], True, 20, "PEM", "gw", "127.0.0.1:0", None, "http://p:1", "*")
    assert json.loads(config.as_json()) == {
        "url": "grpc://127.0.0.1:1",
        "name": "a",
        "secret": "hush",
        "ca_pin": None,
        "ca_pem": "PEM",
        "server_name": "gw",
        "https_proxy": "http://p:1",
        "no_proxy": "*",
        "insecure": True,
        "allow": ["db:1"],
        "keepalive_seconds": 20,
        "admin_listen": "127.0.0.1:0",
    }


def test_a_certificate_is_told_and_its_key_not_shown() -> None:
    certificate = AgentCertificate("CHAIN", "hush", "rh2")
    config = AgentConfig(AgentKey("tls://h:8443", "a", ""), [], False, 20, certificate=certificate)
    told = json.loads(config.as_json())
    assert (told["cert_pem"], told["key_pem"], told["flavour"]) == ("CHAIN", "hush", "rh2")
    assert "hush" not in repr(config)


def test_an_agent_redials_a_gateway_that_is_not_there() -> None:
    agent = Agent(AgentConfig(KEY, [], False, 15))
    agent.start()
    assert agent.wait(0.05) is None
    agent.shutdown(0)


def test_what_cannot_be_allowed_is_refused() -> None:
    agent = Agent(AgentConfig(KEY, ["not a target"], False, 15))
    with pytest.raises(PenstockError) as refused:
        agent.start()
    assert "not a target" in refused.value.message
