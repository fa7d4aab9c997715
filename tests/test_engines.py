"""Template code in posts, read by the engines themselves: nunjucks (Hexo) and Liquid (Jekyll).

They are no part of the requirements: where node or ruby cannot find them, their rows are skipped.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from html import escape

import pytest

from crawler.article import FORMS, Article
from crawler.normalize import normalize
from crawler.posts import parse_post, render_post
from fixtures.attacks import TEMPLATES

# Each reads a list of texts and writes a list of what became of them, or of the error.
NUNJUCKS = """
const nunjucks = require('nunjucks');
const engine = new nunjucks.Environment(null, {autoescape: false});
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));
console.log(JSON.stringify(texts.map(text => {
  try { return engine.renderString(text, {}) } catch (error) { return 'error: ' + error.message }
})));
"""
LIQUID = """
require 'json'
require 'liquid'
texts = JSON.parse($stdin.read)
puts JSON.generate(texts.map { |text|
  begin
    Liquid::Template.parse(text, error_mode: :strict).render!({}, strict_variables: true)
  rescue => error
    "error: #{error.message}"
  end
})
"""
ENGINES = [
    pytest.param("hexo", ["node", "-e"], NUNJUCKS, "require('nunjucks')", id="nunjucks"),
    pytest.param("jekyll", ["ruby", "-Ku", "-e"], LIQUID, "require 'liquid'", id="liquid"),
]
# Where template code may stand; each form writes them in another way.
PLACES = [
    "<p>a {} b</p>",
    "<pre>{}</pre>",
    "<p><code>{}</code></p>",
    "<blockquote><pre>a\n\n{}</pre></blockquote>",
    "<table><tr><td>{}<td>b<tr><td>c<td>{}</table>",
    "<a href='http://e.example/{{{{ 7 }}}}'>{}</a>",
    "<h2>{}</h2><img src='http://i.example/{{{{ 7 }}}}.png' alt='{}'>",
]


def list_bodies(dialect: str) -> list[str]:
    """Every template string in every place and form, as the engine gets it: all that follows the
    header, the address at its end included."""
    bodies: list[str] = []
    for template in TEMPLATES:
        text = escape(template).replace("'", "&#39;")
        for place in PLACES:
            for form in FORMS:
                raw = Article(title=template, label=template, body=place.format(text, text))
                raw.canonical_url = "https://e.example/{{ 7 }}"
                article = normalize(raw, body=form)
                data = render_post(article, dialect=dialect)  # type: ignore[arg-type]
                assert parse_post(data).article.body == article.body
                bodies.append(data.decode().split("\n---\n", 1)[1])
    return bodies


@pytest.mark.parametrize(("dialect", "command", "script", "probe"), ENGINES)
def test_engines_find_nothing_to_run(dialect, command, script, probe):
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not there")
    bodies = list_bodies(dialect)
    # The engine has to be awake: the last text is one that it runs.
    texts = json.dumps([*bodies, "{{ 'x' }}"])
    run = subprocess.run(
        [*command, script], input=texts, capture_output=True, text=True, check=False
    )
    if run.returncode:
        found = subprocess.run([*command, probe], capture_output=True, check=False)
        assert found.returncode, run.stderr
        pytest.skip(f"{command[0]} cannot find it: {probe}")
    *rendered, awake = json.loads(run.stdout)
    assert awake == "x"
    changed = [(was, now) for was, now in zip(bodies, rendered, strict=True) if was != now]
    assert changed == []
