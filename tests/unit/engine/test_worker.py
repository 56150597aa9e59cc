"""A worker behind its façade."""

import json

import pytest
from penstock.domain.errors import PenstockError
from penstock.engine.worker import Forward, Worker, WorkerConfig

CONFIG = WorkerConfig(
    "127.0.0.1:1",
    "CHAIN",
    "hush",
    "CA",
    "gw",
    3,
    7,
    "rh2",
    20,
    "127.0.0.1:0",
    "http://me:hush@p:1",
    "10.0.0.0/8",
)


def test_the_core_is_told_all_of_it() -> None:
    assert json.loads(CONFIG.as_json()) == {
        "connect": "127.0.0.1:1",
        "cert_pem": "CHAIN",
        "key_pem": "hush",
        "ca_pem": "CA",
        "server_name": "gw",
        "connections": 3,
        "streams": 7,
        "flavour": "rh2",
        "keepalive_seconds": 20,
        "admin_listen": "127.0.0.1:0",
        "https_proxy": "http://me:hush@p:1",
        "no_proxy": "10.0.0.0/8",
    }


def test_the_key_is_not_shown() -> None:
    assert "hush" not in repr(CONFIG)


def test_a_certificate_that_is_none_is_refused() -> None:
    worker = Worker(CONFIG, Forward("http://127.0.0.1:1"))
    with pytest.raises(PenstockError):
        worker.start()


def test_nothing_can_be_asked_before_the_start() -> None:
    worker = Worker(CONFIG, Forward("http://127.0.0.1:1"))
    with pytest.raises(PenstockError, match="not running"):
        worker.ready(0)
    with pytest.raises(PenstockError, match="not running"):
        _ = worker.links
    assert worker.shutdown(0)
