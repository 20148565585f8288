"""Queue: one's own jobs, waiting ones in the order they will run, to move up or to cancel."""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.errors import StudioError
from studio.service import Studio
from studio.types import Job
from studio.ui import show
from studio.ui.desk import QUIET, Visitor

SHOWN = 20


def queue_panel(studio: Studio, visitor: Visitor) -> None:
    with gr.Accordion("Queue and history of jobs", open=False) as panel:
        jobs = gr.Radio(
            [],
            label="Your jobs",
            info="Waiting ones first, in the order they will run.",
            elem_id="queue-jobs",
        )
        with gr.Row():
            first = gr.Button("Make it next", size="sm")
            cancel = gr.Button("Cancel it", size="sm", variant="stop")
            refresh = gr.Button("Refresh", size="sm")
        said = gr.HTML()

    def read(name: str | None) -> Any:
        mine = studio.jobs(Visitor.owner(name), limit=SHOWN)
        return gr.update(choices=[(_line(job), job.id) for job in mine], value=None)

    def act(do: Any) -> Any:
        def handler(job_id: str | None, name: str | None) -> tuple[str, Any]:
            if not job_id:
                return show.notice("Choose a job first.", trouble=True), gr.skip()
            try:
                return show.notice(do(job_id, Visitor.owner(name))), read(name)
            except StudioError as error:
                return show.notice(str(error), trouble=True), read(name)

        return handler

    def make_next(job_id: str, owner: str) -> str:
        studio.move(job_id, 0, owner)
        return "It is your next job now."

    def stop(job_id: str, owner: str) -> str:
        return f"The job is {studio.cancel(job_id, owner)}."

    for event in (refresh.click, panel.expand):
        event(read, visitor.state, jobs, **QUIET)
    first.click(act(make_next), [jobs, visitor.state], [said, jobs], **QUIET)
    cancel.click(act(stop), [jobs, visitor.state], [said, jobs], **QUIET)


def _line(job: Job) -> str:
    words = job.brief.prompt.strip() or job.brief.template or "untitled"
    short = words if len(words) <= 60 else words[:59] + "…"
    return f"{job.state} · {job.brief.kind} · {short} · {job.created_at:%H:%M}"
