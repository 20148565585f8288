"""Plays the sentences of a script one after another while the rest is still being spoken.

Gradio's own streaming needs ffmpeg on the machine; this needs a browser. Each update carries the latest
few sentences with their numbers, since updates may be merged on their way; the page plays each once.
"""

from __future__ import annotations

import base64
import json
from collections import deque

import gradio as gr

EMPTY = ""
KEPT = 4

_SCRIPT = """
let job = null, next = 0, waiting = [], audio = element.querySelector('audio'), note = element.querySelector('p');
function step() {
  if (!waiting.length) { note.textContent = 'Listening for the next sentence…'; return; }
  audio.src = 'data:audio/wav;base64,' + waiting.shift();
  note.textContent = 'Playing while the rest is made';
  audio.play().catch(() => { note.textContent = 'Press play to listen while the rest is made'; });
}
audio.addEventListener('ended', step);
watch('value', () => {
  audio = element.querySelector('audio'); note = element.querySelector('p');
  if (!props.value) { job = null; next = 0; waiting = []; element.hidden = true; audio.pause(); audio.removeAttribute('src'); return; }
  const news = JSON.parse(props.value);
  if (news.job !== job) { job = news.job; next = 0; waiting = []; audio.removeAttribute('src'); }
  element.hidden = false;
  for (const [number, wav] of news.chunks) if (number >= next) { next = number + 1; waiting.push(wav); }
  if (!audio.getAttribute('src') || audio.ended) step();
});
element.hidden = true;
"""


def build() -> gr.HTML:
    return gr.HTML(
        EMPTY,
        html_template='<p class="fine" role="status"></p><audio controls aria-label="First sentences"></audio>',
        css_template="audio { width: 100%; }",
        js_on_load=_SCRIPT,
        elem_id="speech-preview",
    )


class Playlist:
    """The sentences one watcher has received of one job."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._count = 0
        self._recent: deque[tuple[int, str]] = deque(maxlen=KEPT)

    def add(self, wav: bytes) -> str:
        """The update that carries one more sentence."""
        self._recent.append((self._count, base64.b64encode(wav).decode()))
        self._count += 1
        return json.dumps({"job": self._job_id, "chunks": list(self._recent)})
