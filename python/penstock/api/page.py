"""How our pages look: they need no script, and nothing from elsewhere."""

import base64
import hashlib
import html

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5a6675; --back: #f6f7f9; --card: #fff;
  --line: #dfe3e8; --edge: #7b8794; --mark: #1769aa; --on-mark: #fff; --bad: #a4262c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --soft: #9aa5b4; --back: #12161c; --card: #1a2029; --line: #2c3542;
    --edge: #75818f; --mark: #6cb6ff; --on-mark: #10202f; --bad: #ff9a94; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
  color: var(--ink); background: var(--back); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 40rem; width: 100%; padding: 2rem 2.25rem;
  background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
main.narrow { max-width: 24rem; }
h1 { margin: 0 0 .25rem; font-size: 1.5rem; letter-spacing: -.01em; }
h1 span { color: var(--mark); }
p { margin: .75rem 0; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .9rem; }
.bad { color: var(--bad); }
pre { margin: .75rem 0; padding: .8rem 1rem; overflow-x: auto; font: 14px/1.5 ui-monospace, monospace;
  background: var(--back); border: 1px solid var(--line); border-radius: 8px; }
a { color: var(--mark); }
label { display: block; margin-top: 1rem; font-weight: 600; }
input { width: 100%; margin-top: .25rem; padding: .55rem .7rem; font: inherit; color: var(--ink);
  background: var(--card); border: 1px solid var(--edge); border-radius: 8px; }
button { width: 100%; margin-top: 1.5rem; padding: .6rem; font: inherit; font-weight: 600; cursor: pointer;
  color: var(--on-mark); background: var(--mark); border: 0; border-radius: 8px; }
:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }
"""

_DOCUMENT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main{kind}>
<h1><span aria-hidden="true">&#9646;</span> {heading}</h1>
{body}</main>
</body>
</html>
"""

_HOME = """<p>An access gateway: people, services and agents reach private systems through it, and every
session is identified, decided and recorded.</p>
<p>Log in from a terminal, see what you may use, and connect:</p>
<pre>penstock login --api-url {api_url}
penstock list
penstock connect NAME</pre>
<p class="soft">Version {version} &middot; <a href="/api/openapi.json">API description</a> &middot;
<a href="/api/healthz">health</a></p>
"""


def document(title: str, heading: str, body: str, *, narrow: bool = False) -> str:
    """A page. ``title`` and ``heading`` are text, ``body`` is HTML."""
    return _DOCUMENT.format(
        title=html.escape(title),
        style=_STYLE,
        kind=' class="narrow"' if narrow else "",
        heading=html.escape(heading),
        body=body,
    )


def render(api_url: str, version: str) -> str:
    """The page at ``/`` until there is a web app: what this is and how to log in."""
    body = _HOME.format(api_url=html.escape(api_url), version=html.escape(version))
    return document("Penstock", "Penstock", body)


def content_security_policy(more: str = "form-action 'none'; ") -> str:
    """Nothing but the page's own style, which is named by its digest; ``more`` directives end with ``; ``."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; {more}frame-ancestors 'none'"
