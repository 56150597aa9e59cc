"""The page at ``/`` until there is a web app: what this is and how to log in."""

import base64
import hashlib
import html

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5a6675; --back: #f6f7f9; --card: #fff;
  --line: #dfe3e8; --mark: #1769aa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --soft: #9aa5b4; --back: #12161c; --card: #1a2029; --line: #2c3542;
    --mark: #6cb6ff; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
  color: var(--ink); background: var(--back); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 40rem; width: 100%; padding: 2rem 2.25rem;
  background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
h1 { margin: 0 0 .25rem; font-size: 1.5rem; letter-spacing: -.01em; }
h1 span { color: var(--mark); }
p { margin: .75rem 0; }
.soft { color: var(--soft); font-size: .9rem; }
pre { margin: .75rem 0; padding: .8rem 1rem; overflow-x: auto; font: 14px/1.5 ui-monospace, monospace;
  background: var(--back); border: 1px solid var(--line); border-radius: 8px; }
a { color: var(--mark); }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Penstock</title>
<style>{style}</style>
</head>
<body>
<main>
<h1><span>&#9646;</span> Penstock</h1>
<p>An access gateway: people, services and agents reach private systems through it, and every session is
identified, decided and recorded.</p>
<p>Log in from a terminal, see what you may use, and connect:</p>
<pre>penstock login --api-url {api_url}
penstock list
penstock connect NAME</pre>
<p class="soft">Version {version} &middot; <a href="/api/openapi.json">API description</a> &middot;
<a href="/api/healthz">health</a></p>
</main>
</body>
</html>
"""


def render(api_url: str, version: str) -> str:
    """The page; it needs nothing from elsewhere."""
    return _PAGE.format(style=_STYLE, api_url=html.escape(api_url), version=html.escape(version))


def content_security_policy() -> str:
    """Nothing but the page's own style, which is named by its digest."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
