"""The stand-in for Nova's metadata API, asked as Neutron's metadata agent asks it."""

import hashlib
import hmac
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib import resources

import pytest

SECRET = "a shared secret"  # noqa: S105 - made up here
INSTANCE = "0c4b49d1-41ab-4632-84ce-31ff51a35337"


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    secret = tmp_path_factory.mktemp("metadata") / "secret"
    secret.write_text(f"{SECRET}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = resources.files("hotspare.lab.openstack").joinpath("machine", "nova_metadata.py")
    with subprocess.Popen([sys.executable, str(program), str(port), str(secret)]) as server:
        try:
            _wait_for(port, time.monotonic() + 20)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _wait_for(port, deadline):
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "the server does not listen"
        else:
            return


def ask(url, path, *, instance=INSTANCE, secret=SECRET):
    signature = hmac.new(secret.encode(), instance.encode(), hashlib.sha256).hexdigest()
    headers = {"X-Instance-ID-Signature": signature, "X-Tenant-ID": "p", "X-Forwarded-For": "::ffff:10.64.1.10"}
    if instance:
        headers["X-Instance-ID"] = instance
    request = urllib.request.Request(url + path, headers=headers)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        return answer.read().decode()


def test_any_path_says_whose_metadata_it_is(url):
    answer = json.loads(ask(url, "/openstack/latest/meta_data.json"))
    assert answer["uuid"] == INSTANCE
    assert answer["project_id"] == "p"
    assert answer["forwarded_for"] == "::ffff:10.64.1.10"


def test_the_usual_paths_answer_as_a_vm_expects(url):
    assert ask(url, "/latest/meta-data/instance-id") == INSTANCE
    assert ask(url, "/latest/meta-data/local-ipv4") == "10.64.1.10"
    assert ask(url, "/") == "latest\n"


@pytest.mark.parametrize(("change", "code"), [({"secret": "another"}, 403), ({"instance": ""}, 400)])
def test_a_wrong_signature_or_no_instance_is_refused(url, change, code):
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(url, "/latest/meta-data/instance-id", **change)
    refused.value.close()
    assert refused.value.code == code
