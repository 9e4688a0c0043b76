"""The frame of the sandbox's few pages: one document, one style sheet, nothing from outside."""

from __future__ import annotations

from html import escape

POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #2563eb; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 1.5rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
h3 { font-size: 1rem; margin: 1rem 0 .2rem; }
a { color: var(--accent); } label { display: block; margin: .25rem 0; }
nav a { margin-right: 1rem; } nav a[aria-current] { font-weight: 700; text-decoration: none; }
fieldset { border: 1px solid var(--line); border-radius: .5rem; margin: .8rem 0; }
input, select, button, textarea { font: inherit; padding: .3rem .5rem; border-radius: .35rem;
  border: 1px solid var(--line); max-width: 100%; }
button { cursor: pointer; background: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; }
ul.events { list-style: none; padding: 0; margin: 0; }
ul.events li { padding: .2rem 0; border-bottom: 1px solid var(--line); }
.time { display: inline-block; min-width: 8.5rem; font-variant-numeric: tabular-nums; }
.note { opacity: .7; font-size: .9em; } .bad { color: #c2410c; }
.row { display: flex; flex-wrap: wrap; gap: .6rem; align-items: end; }
p[role=alert] { border-left: 4px solid #c2410c; padding-left: .6rem; }
"""


def document(title: str, body: str) -> bytes:
    """Return a whole page; `body` is HTML whose values are escaped already."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>"
    ).encode()
