"""Programs that ask through a forward proxy, as they are: they are told of it by their environment alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

_SECONDS = 100

_URLLIB = "import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[1]).read())"
_HTTPX = "import sys, httpx; sys.stdout.buffer.write(httpx.get(sys.argv[1]).raise_for_status().content)"
# The requests that pip brings with it.
_REQUESTS = (
    "import sys; from pip._vendor import requests as r; a = r.get(sys.argv[1]); a.raise_for_status();"
    "sys.stdout.buffer.write(a.content)"
)

_NODE = """
const http = require('http'), https = require('https'), tls = require('tls');
const url = new URL(process.argv[2]), proxy = new URL(process.env.http_proxy);
const user = decodeURIComponent(proxy.username) + ':' + decodeURIComponent(proxy.password);
const known = {host: proxy.hostname, port: proxy.port, agent: false,
  headers: {host: url.host, 'proxy-authorization': 'Basic ' + Buffer.from(user).toString('base64')}};
const show = (answer) => answer.pipe(process.stdout);
if (url.protocol === 'http:') {
  http.get({...known, path: url.href}, show);
} else {
  http.request({...known, method: 'CONNECT', path: url.host}).on('connect', (answer, socket) => {
    if (answer.statusCode !== 200) throw new Error('CONNECT: ' + answer.statusCode);
    const createConnection = () => tls.connect({socket, servername: url.hostname});
    https.get(url, {createConnection}, show);
  }).end();
}
"""

_GO = """package main

import ("io"; "net/http"; "os")

func main() {
	answer, err := http.Get(os.Args[1])
	if err != nil { panic(err) }
	io.Copy(os.Stdout, answer.Body)
}
"""

_JAVA = """
import java.io.FileInputStream;
import java.net.*;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.*;

public class Fetch {
  public static void main(String[] asked) throws Exception {
    Authenticator.setDefault(new Authenticator() {
      protected PasswordAuthentication getPasswordAuthentication() {
        return new PasswordAuthentication(asked[2], asked[3].toCharArray());
      }
    });
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    var ca = CertificateFactory.getInstance("X.509").generateCertificate(new FileInputStream(asked[1]));
    store.setCertificateEntry("ca", ca);
    var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    HttpsURLConnection.setDefaultSSLSocketFactory(context.getSocketFactory());
    new URL(asked[0]).openConnection().getInputStream().transferTo(System.out);
  }
}
"""


@dataclass(frozen=True)
class Caller:
    """Somebody behind a forward proxy."""

    folder: Path
    """Where it may leave things."""
    proxy: str
    name: str
    key: str
    ca: Path
    """Whom it trusts."""

    def run(self, *command: str | Path, more: Mapping[str, str] | None = None) -> bytes:
        """What a program wrote to its stdout; AssertionError with its stderr if it failed."""
        done = subprocess.run(
            [*map(str, command)],
            env={**self._environment(), **(more or {})},
            cwd=self.folder,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        return done.stdout

    def written(self, name: str, text: str) -> Path:
        """A file of its own."""
        file = self.folder / name
        file.write_text(text)
        return file

    def _environment(self) -> dict[str, str]:
        proxy = self.proxy.replace("://", f"://{quote(self.name)}:{quote(self.key)}@")
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy)
        authorities = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        trust = {name: str(self.ca) for name in (*authorities, "GIT_SSL_CAINFO", "PIP_CERT")}
        own = {name: v for name, v in os.environ.items() if not name.lower().endswith("_proxy")}
        return {**own, **proxies, **trust}


def curl(caller: Caller, url: str) -> bytes:
    """The answer's body."""
    return caller.run("curl", "--silent", "--show-error", "--fail", f"{url}/hello")


def python(code: str) -> Callable[[Caller, str], bytes]:
    """A Python library by a line of code."""
    return lambda caller, url: caller.run(sys.executable, "-c", code, f"{url}/hello")


def node(caller: Caller, url: str) -> bytes:
    """Node's own modules."""
    return caller.run("node", caller.written("fetch.js", _NODE), f"{url}/hello")


def go(caller: Caller, url: str) -> bytes:
    """Go's own client."""
    more = {"GOFLAGS": "", "GOPROXY": "off", "GOTOOLCHAIN": "local", "GO111MODULE": "off"}
    return caller.run("go", "run", caller.written("fetch.go", _GO), f"{url}/hello", more=more)


def java(caller: Caller, url: str) -> bytes:
    """Java's own client, which is told by properties."""
    at = urlsplit(caller.proxy)
    told = [f"-D{scheme}.proxyHost={at.hostname}" for scheme in ("http", "https")]
    told += [f"-D{scheme}.proxyPort={at.port}" for scheme in ("http", "https")]
    # Java shows a password on CONNECT only where it is let.
    told += ["-Djdk.http.auth.tunneling.disabledSchemes=", "-XX:TieredStopAtLevel=1"]
    source = caller.written("Fetch.java", _JAVA)
    return caller.run("java", *told, source, f"{url}/hello", caller.ca, caller.name, caller.key)


def git(caller: Caller, url: str) -> bytes:
    """A clone's one file."""
    caller.run("git", "clone", "--quiet", f"{url}/repository.git", "clone")
    return (caller.folder / "clone" / "hello").read_bytes()


def pip(caller: Caller, url: str) -> bytes:
    """The one file of a package."""
    host = urlsplit(url).hostname or ""
    index = ["--index-url", f"{url}/simple", "--trusted-host", host, "--isolated", "--no-cache-dir"]
    more = ["--quiet", "--disable-pip-version-check", "--no-deps", "--target", "installed"]
    caller.run(sys.executable, "-m", "pip", "install", *index, *more, "--cert", caller.ca, "sample")
    return (caller.folder / "installed" / "sample.py").read_bytes()


def apt(caller: Caller, url: str) -> bytes:
    """What `apt-get update` took: the words of the one package there."""
    lists = caller.folder / "apt" / "lists"
    (lists / "partial").mkdir(parents=True)
    caller.written("sources.list", f"deb [trusted=yes] {url}/apt ./\n")
    options = {
        "Dir::Etc::SourceList": str(caller.folder / "sources.list"),
        "Dir::Etc::SourceParts": "-",
        "Dir::State": str(caller.folder / "apt"),
        "Dir::Cache": str(caller.folder / "apt"),
        "APT::Sandbox::User": "",
        "Acquire::https::CAInfo": str(caller.ca),
        "Acquire::Languages": "none",
        "Acquire::GzipIndexes": "false",
    }
    caller.run("apt-get", "--quiet", "update", *(f"-o{name}={value}" for name, value in options.items()))
    (found,) = lists.glob("*_Packages")
    return found.read_bytes().partition(b"Description: ")[2]


_EVERY = {
    "curl": curl,
    "urllib": python(_URLLIB),
    "httpx": python(_HTTPX),
    "requests": python(_REQUESTS),
    "node": node,
    "go": go,
    "java": java,
    "git": git,
    "pip": pip,
    "apt-get": apt,
}
_OURS = ("urllib", "httpx", "requests", "pip")

CLIENTS = {name: fetch for name, fetch in _EVERY.items() if name in _OURS or shutil.which(name)}
"""Those that are at hand."""
